"""A user without privileges who has far more descriptors than the bounds."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fanotify_exporter.fsnotify.group_scan import GroupScanner
from fanotify_exporter.fsnotify.holders import BOUNDS
from fanotify_exporter.fsnotify.inventory import Kind
from fanotify_exporter.fsnotify.model import Marks
from fanotify_exporter.fsnotify.proc_scan import ProcScan
from tools.harness.listeners import Listener, as_user, listening
from tools.harness.processes import resident_kb


# Chosen by environment: FLOOD=50x19900 is the attack in its full size.
PROCESSES, DESCRIPTORS = map(int, os.environ.get("FLOOD", "12x3000").split("x"))
FLOODER = 65_534

# One group, or one instance, with many descriptors in each of many processes.
FLOOD = """
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

# A new mark of root shows within this time.
SECONDS = 15.0
MAX_GROWTH_KB = 20_480


@pytest.fixture(scope="module", params=Kind)
def kind(request: pytest.FixtureRequest) -> Kind:
    chosen: Kind = request.param
    return chosen


@pytest.fixture(scope="module")
def flood(kind: Kind) -> Iterator[Listener]:
    raise_limit = ("prlimit", f"--nofile={DESCRIPTORS + 50}")
    code = FLOOD.format(make=MAKE[kind], descriptors=DESCRIPTORS, processes=PROCESSES)
    with listening(code, prefix=(*raise_limit, *as_user(FLOODER))) as listener:
        yield listener


def test_bounds(flood: Listener, kind: Kind) -> None:
    """The flooder's file counts once; what is above the bounds is counted."""
    source = ProcScan(cpu=lambda: 0)  # one scan, without steps
    scan = GroupScanner(source).poll()
    owners = [(each.comm, each.uid) for each in scan.groups]
    owners += [(each.comm, each.uid) for each in scan.instances]
    assert [FLOODER] == [uid for comm, uid in owners if comm == flood.comm]
    total = PROCESSES * (DESCRIPTORS + 1) + 1
    if Path("/proc/self/fd").stat().st_size:
        assert total - BOUNDS[kind].user == scan.left_out
    else:  # before Linux 6.2 the size of descriptor tables is counted
        assert total - BOUNDS[kind].user <= scan.left_out


def test_memory(flood: Listener) -> None:
    """Scans of the flood take bounded memory."""
    assert flood.comm
    source = ProcScan(cpu=lambda: 0)
    scanner = GroupScanner(source)
    resident = resident_kb(os.getpid())
    for _ in range(3):
        source.list()
    scanner.poll()
    growth = resident_kb(os.getpid()) - resident
    print(f"{PROCESSES} x {DESCRIPTORS}: {growth} kB more")
    assert growth < MAX_GROWTH_KB


class IdleMachine:
    """The time on a machine that has no other work, for a scanner of this thread."""

    def __init__(self) -> None:
        self._slept = 0.0

    def now(self) -> float:
        return self._slept + time.thread_time()

    def sleep(self, seconds: float) -> None:
        self._slept += seconds


def test_new_mark_of_root(flood: Listener, tmp_path: Path) -> None:
    """A new group of root and its permission mark show while the flood lasts."""
    assert flood.comm
    (tmp_path / "file").touch()
    machine = IdleMachine()
    scanner = GroupScanner(ProcScan(), now=machine.now)
    expected = (Marks("inode", blocking=True, count=1),)
    scanner.poll()
    with listening(
        """
        group = init(CONTENT)
        mark(group, ADD, OPEN_PERM, "file")
        """,
        folder=str(tmp_path),
    ) as listener:
        started = machine.now()
        marks: list[tuple[Marks, ...]] = []
        while expected not in marks and machine.now() - started < SECONDS:
            machine.sleep(scanner.delay())
            marks = [
                owned.group.marks
                for owned in scanner.poll().groups
                if owned.comm == listener.comm and owned.privileged
            ]
        assert expected in marks
        seconds = machine.now() - started
        print(f"{PROCESSES} x {DESCRIPTORS}: root's mark showed in {seconds:.1f} s")
        assert seconds < SECONDS
