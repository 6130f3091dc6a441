"""The cgroup v2 hierarchy of this machine, for tests that make cgroups."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fanotify_exporter.procfs.mounts import read_mounted


@contextmanager
def hierarchy(folder: Path) -> Iterator[Path]:
    """Yield where cgroup v2 is mounted; mount cgroup v2 in *folder* if nowhere."""
    mounted = read_mounted("cgroup2")
    if mounted:
        yield Path(mounted[0])
        return
    root = folder / "cgroup"
    root.mkdir()
    subprocess.run(["mount", "-t", "cgroup2", "cgroup2", root], check=True)
    yield root
    subprocess.run(["umount", root], check=True)


@contextmanager
def cgroup(path: Path) -> Iterator[Path]:
    """Make a cgroup, and remove all cgroups in it at the end."""
    path.mkdir()
    try:
        yield path
    finally:
        for folder, _, _ in os.walk(path, topdown=False):
            Path(folder).rmdir()
