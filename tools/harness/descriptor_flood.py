"""A user without privileges who has one group or instance open very many times."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fanotify_exporter.fsnotify.group_scan import GroupScanner, Source
from fanotify_exporter.fsnotify.inventory import Kind
from fanotify_exporter.fsnotify.model import Marks
from tools.harness.listeners import Listener, as_user, listening
from tools.harness.processes import resident_kb


# Chosen by environment: FLOOD=50x19900 is the attack in its full size.
PROCESSES, DESCRIPTORS = map(int, os.environ.get("FLOOD", "12x3000").split("x"))
FLOODER = 65_534

# One group, or one instance, with many descriptors in each of many processes.
PROGRAM = """
    import resource
    file = {make}
    resource.setrlimit(resource.RLIMIT_NOFILE, ({descriptors} + 50,) * 2)
    for number in range({processes}):
        def work():
            for _ in range({descriptors}):
                os.dup(file)
        fork(work)
    """
MAKE = {Kind.FANOTIFY: "init(FID)", Kind.INOTIFY: "instance()"}


@contextmanager
def flooding(kind: Kind) -> Iterator[Listener]:
    """Run the user's program during the block."""
    raise_limit = ("prlimit", f"--nofile={DESCRIPTORS + 50}")
    code = PROGRAM.format(make=MAKE[kind], descriptors=DESCRIPTORS, processes=PROCESSES)
    with listening(code, prefix=(*raise_limit, *as_user(FLOODER))) as listener:
        yield listener


def growth_kb(source: Source) -> int:
    """Return by how many kB three lists and a poll make this process larger."""
    scanner = GroupScanner(source)
    resident = resident_kb(os.getpid())
    for _ in range(3):
        source.list()
    scanner.poll()
    growth = resident_kb(os.getpid()) - resident
    print(f"{PROCESSES} x {DESCRIPTORS}: {growth} kB more")
    return growth


class IdleMachine:
    """The time on a machine that has no other work, for a scanner of this thread."""

    def __init__(self) -> None:
        """Start at 0 s, without the CPU time of this thread until now."""
        self._slept = -time.thread_time()

    def now(self) -> float:
        """Return the seconds that this thread has worked and would have slept."""
        return self._slept + time.thread_time()

    def sleep(self, seconds: float) -> None:
        """Add *seconds* without work."""
        self._slept += seconds


def seconds_until_shown(
    make_source: Callable[[], Source], folder: Path, limit: float
) -> float:
    """
    Return how long a new blocking mark of root takes to show, on an idle machine.

    Args:
        make_source: returns what lists groups.
        folder: a folder for the marked file.
        limit: seconds after which the search ends.
    """
    (folder / "file").touch()
    machine = IdleMachine()
    scanner = GroupScanner(make_source(), now=machine.now)
    expected = (Marks("inode", blocking=True, count=1),)
    scanner.poll()
    code = 'group = init(CONTENT); mark(group, ADD, OPEN_PERM, "file")'
    with listening(code, folder=str(folder)) as listener:
        started = machine.now()
        marks: list[tuple[Marks, ...]] = []
        while expected not in marks and machine.now() - started < limit:
            machine.sleep(scanner.delay())
            marks = [
                owned.group.marks
                for owned in scanner.poll().groups
                if owned.comm == listener.comm and owned.privileged
            ]
        seconds = machine.now() - started
    print(f"{PROCESSES} x {DESCRIPTORS}: root's mark showed in {seconds:.1f} s")
    return seconds
