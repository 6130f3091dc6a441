"""Run a program with a limit of memory, in a memory cgroup of version 1 or 2."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from fanotify_exporter.procfs.mounts import read_mounted
from tools.harness.requirements import missing


V1 = Path("/sys/fs/cgroup/memory")


@dataclass(frozen=True, slots=True)
class MemoryCgroup:
    """A cgroup whose processes and kernel objects have a limit of memory."""

    folder: Path

    @property
    def prefix(self) -> list[str]:
        """Return the start of a command that runs in the cgroup."""
        enter = f'echo $$ >{self.folder}/cgroup.procs && exec "$@"'
        return ["sh", "-c", enter, "sh"]

    def oom_kills(self) -> int:
        """Return how many processes the kernel killed for want of memory."""
        for name in ("memory.events", "memory.oom_control"):
            if (self.folder / name).exists():
                text = (self.folder / name).read_text()
                return int(re.findall(r"^oom_kill (\d+)$", text, re.MULTILINE)[0])
        raise AssertionError(self.folder)


@contextmanager
def memory_cgroup(limit: int) -> Iterator[MemoryCgroup]:
    """Make a cgroup with a limit of *limit* bytes; skip the test if that fails."""
    name, file = f"test-{os.getpid()}", "memory.limit_in_bytes"
    folder = V1 / name
    if not V1.is_dir():
        mounted = read_mounted("cgroup2")
        if not mounted:
            missing("no memory cgroup hierarchy is mounted")
        root = Path(mounted[0])
        with suppress(OSError):
            (root / "cgroup.subtree_control").write_text("+memory")
        folder, file = root / name, "memory.max"
    try:
        folder.mkdir()
        (folder / file).write_text(str(limit))
    except OSError as error:
        if folder.is_dir():
            folder.rmdir()
        missing(f"cannot limit the memory of a cgroup: {error}")
    yield MemoryCgroup(folder)
    folder.rmdir()
