"""The program of caller.c, which makes known numbers of calls for the kernel tests."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory

from tools.harness.kernel_calls import Key


@dataclass(frozen=True)
class Caller:
    """The program of caller.c, and the folder that the program marks."""

    program: Path
    folder: Path

    def command(
        self,
        comm: str,
        threads: int = 1,
        abi: str = "native",
        syscall: str = "fanotify_mark",
    ) -> list[str]:
        marked = str(self.folder)
        return [str(self.program), comm, str(threads), marked, abi, syscall]

    def run(
        self,
        plan: Iterable[tuple[int, int, int]],
        comm: str,
        *,
        threads: int = 1,
        user: int = 0,
        abi: str = "native",
        syscall: str = "fanotify_mark",
        wrap: Sequence[str] = (),
    ) -> Counter[Key]:
        """Make the calls of *plan* (flags, mask, count); return them by key."""
        output = subprocess.run(
            [*wrap, *self.command(comm, threads, abi, syscall)],
            input="\n".join(f"{flags:x} {mask:x} {n}" for flags, mask, n in plan),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            user=user,
            group=user,
        ).stdout
        calls: Counter[Key] = Counter()
        for line in output.splitlines():
            name, flags, mask, errno, count = line.rsplit(maxsplit=4)
            calls[name, int(flags), int(mask), int(errno)] += int(count)
        return calls


def without_arguments(made: Counter[Key]) -> Counter[Key]:
    """Return *made* by comm and errno, as inotify_add_watch(2) is counted."""
    calls: Counter[Key] = Counter()
    for (comm, _, _, errno), count in made.items():
        calls[comm, 0, 0, errno] += count
    return calls


@contextmanager
def placed(built: Path) -> Iterator[Caller]:
    """Copy a program to a folder that every user may enter: pytest's are 0700."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        marked = Path(folder, "marked")
        marked.mkdir(mode=0o755)
        yield Caller(Path(copy(built, Path(folder, "caller"))), marked)
