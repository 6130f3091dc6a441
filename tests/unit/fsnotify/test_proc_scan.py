"""A folder like /proc that changes, looked at step by step; the clocks are ours."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from fanotify_exporter.fsnotify.background import BackgroundScan
from fanotify_exporter.fsnotify.model import GroupScan
from fanotify_exporter.fsnotify.proc_scan import GroupScanner
from tools.harness.proc_folder import EMPTY_GROUP, MARK, ProcFolder


class Clock:
    """A clock that the test sets; each look at the CPU's finds *cost* more used."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.cost = 0.0
        self._used = 0.0

    def now(self) -> float:
        return self.seconds

    def cpu(self) -> float:
        self._used += self.cost
        return self._used


class Recent:
    """What the kernel noted down: pids that called fanotify_init, all or not."""

    def __init__(self) -> None:
        self.pids: frozenset[int] = frozenset()
        self.are_all = True

    def __call__(self) -> tuple[frozenset[int], bool]:
        return self.pids, self.are_all


@pytest.fixture
def proc(tmp_path: Path) -> ProcFolder:
    proc = ProcFolder(tmp_path / "proc")
    proc.start(1, comm=b"init")
    proc.start(812, {4: EMPTY_GROUP + MARK}, comm=b"listener", uid=994)
    return proc


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def recent() -> Recent:
    return Recent()


@pytest.fixture
def scanner(proc: ProcFolder, clock: Clock, recent: Recent) -> GroupScanner:
    return GroupScanner(
        proc.path, interval=30, recent_pids=recent, now=clock.now, cpu=clock.cpu
    )


def groups(scan: GroupScan) -> Counter[str]:
    """Return how many groups there are, by comm."""
    return Counter(held.comm for held in scan.groups)


def marks(scan: GroupScan) -> int:
    return sum(each.count for held in scan.groups for each in held.group.marks)


def test_first_step_is_a_full_scan(scanner: GroupScanner) -> None:
    """The first step finds what there is, and says when."""
    before = time.time()
    scan = scanner.step()
    (held,) = scan.groups
    assert ("listener", 994, 1) == (held.comm, held.uid, marks(scan))
    assert 0 == scan.unreadable
    assert before <= scan.scanned <= time.time()


def test_folder_that_is_no_procfs(tmp_path: Path) -> None:
    """Without a procfs a step fails; it does not say that there are no groups."""
    with pytest.raises(FileNotFoundError):
        GroupScanner(tmp_path / "none").step()


def test_rounds_come_each_second(scanner: GroupScanner) -> None:
    """What is cheap is looked at each second."""
    scanner.step()
    assert 1 == scanner.pause()


def test_new_mark(scanner: GroupScanner, proc: ProcFolder) -> None:
    """A mark that was added is there in the very next step."""
    scanner.step()
    proc.open_group(812, 4, EMPTY_GROUP + MARK * 3)
    assert 3 == marks(scanner.step())


def test_other_name_and_user(scanner: GroupScanner, proc: ProcFolder) -> None:
    """A process that changes its name is shown under the new one."""
    scanner.step()
    (proc.path / "812/comm").write_text("other\n")
    assert {"other": 1} == groups(scanner.step())


def test_group_that_ended(scanner: GroupScanner, proc: ProcFolder) -> None:
    """A group whose descriptor is closed is gone in the very next step."""
    scanner.step()
    proc.close(812, 4)
    assert {} == groups(scanner.step())


def test_process_that_ended(scanner: GroupScanner, proc: ProcFolder) -> None:
    """The groups of a process that ended are gone in the very next step."""
    scanner.step()
    proc.end(812)
    assert {} == groups(scanner.step())


def test_descriptor_used_again(scanner: GroupScanner, proc: ProcFolder) -> None:
    """What now is something else under the same number is no group."""
    scanner.step()
    proc.open(812, 4, "/dev/null")
    assert {} == groups(scanner.step())


def test_full_scan_after_the_interval(
    scanner: GroupScanner, proc: ProcFolder, clock: Clock
) -> None:
    """What nobody told of is found when the interval is over, and not before."""
    first = scanner.step()
    proc.start(900, {3: EMPTY_GROUP}, comm=b"new")
    clock.seconds += 29.9
    assert {"listener": 1} == groups(scanner.step())
    clock.seconds += 0.2
    last = scanner.step()
    assert {"listener": 1, "new": 1} == groups(last)
    assert last.scanned > first.scanned


def test_recent_pid(scanner: GroupScanner, proc: ProcFolder, recent: Recent) -> None:
    """A process that just made a group is looked at, and no other is."""
    scanner.step()
    proc.start(900, {3: EMPTY_GROUP}, comm=b"new")
    proc.start(901, {3: EMPTY_GROUP}, comm=b"untold")
    recent.pids = frozenset({900})
    assert {"listener": 1, "new": 1} == groups(scanner.step())
    recent.pids = frozenset()
    assert {"listener": 1, "new": 1} == groups(scanner.step())


def test_second_group_of_a_process(
    scanner: GroupScanner, proc: ProcFolder, recent: Recent
) -> None:
    """A process that is known and makes one more group is looked at anew."""
    scanner.step()
    proc.open_group(812, 5)
    recent.pids = frozenset({812})
    assert {"listener": 2} == groups(scanner.step())


def test_more_than_was_noted_down(
    scanner: GroupScanner, proc: ProcFolder, recent: Recent
) -> None:
    """When the kernel could not note down all, the next step looks at everything."""
    scanner.step()
    proc.start(900, {3: EMPTY_GROUP}, comm=b"new")
    recent.are_all = False
    assert {"listener": 1, "new": 1} == groups(scanner.step())


def test_group_left_to_a_child(
    scanner: GroupScanner, proc: ProcFolder, recent: Recent
) -> None:
    """A process that made a group and is gone may have been a daemon's parent."""
    scanner.step()
    proc.start(901, {3: EMPTY_GROUP}, comm=b"daemon")
    recent.pids = frozenset({900})
    assert {"listener": 1, "daemon": 1} == groups(scanner.step())


def test_pid_that_stays_recent(
    scanner: GroupScanner, proc: ProcFolder, recent: Recent
) -> None:
    """A pid that is told again and again asks for a full scan once."""
    scanner.step()
    recent.pids = frozenset({900})
    scanner.step()
    scanner.step()
    proc.start(901, {3: EMPTY_GROUP}, comm=b"untold")
    assert {"listener": 1} == groups(scanner.step())
    assert {"listener": 1} == groups(scanner.step())


def test_group_handed_on(scanner: GroupScanner, proc: ProcFolder) -> None:
    """A holder that ends may have handed its group on: everything is looked at."""
    scanner.step()
    proc.start(900, {3: EMPTY_GROUP}, comm=b"heir")
    proc.end(812)
    assert {"heir": 1} == groups(scanner.step())


def test_full_scans_rest(
    scanner: GroupScanner, proc: ProcFolder, clock: Clock, recent: Recent
) -> None:
    """However often one is asked for, full scans take no more than 5 % of a CPU."""
    clock.cost = 0.01
    scanner.step()
    proc.start(900, {3: EMPTY_GROUP}, comm=b"new")
    recent.are_all = False
    clock.seconds += 0.1
    scanner.step()
    clock.seconds += 0.05
    assert {"listener": 1} == groups(scanner.step())
    clock.seconds += 0.1
    assert {"listener": 1, "new": 1} == groups(scanner.step())


def test_recent_pid_while_full_scans_rest(
    scanner: GroupScanner, proc: ProcFolder, clock: Clock, recent: Recent
) -> None:
    """Who was noted down is looked at at once, also when others were not."""
    clock.cost = 0.01
    scanner.step()
    proc.start(900, {3: EMPTY_GROUP}, comm=b"new")
    proc.start(901, {3: EMPTY_GROUP}, comm=b"untold")
    recent.pids, recent.are_all = frozenset({900}), False
    clock.seconds += 0.1
    assert {"listener": 1, "new": 1} == groups(scanner.step())


def test_dear_full_scan_stretches_the_interval(
    scanner: GroupScanner, proc: ProcFolder, clock: Clock
) -> None:
    """A full scan of 3 s of CPU comes every minute, whatever the interval."""
    clock.cost = 3
    scanner.step()
    proc.start(900, {3: EMPTY_GROUP}, comm=b"new")
    clock.seconds += 59
    assert {"listener": 1} == groups(scanner.step())
    clock.seconds += 2
    assert {"listener": 1, "new": 1} == groups(scanner.step())


def test_huge_group_rests(
    scanner: GroupScanner, proc: ProcFolder, clock: Clock
) -> None:
    """A group that took 0.3 s to read is there as it was, and read again after 15 s."""
    clock.cost = 0.3
    scanner.step()
    clock.cost = 0
    proc.open_group(812, 4, EMPTY_GROUP + MARK * 7)
    clock.seconds += 14.9
    assert 1 == marks(scanner.step())
    clock.seconds += 0.2
    assert 7 == marks(scanner.step())


def test_huge_group_that_ended(
    scanner: GroupScanner, proc: ProcFolder, clock: Clock
) -> None:
    """A group that rests is gone as soon as any other when it ends."""
    clock.cost = 0.3
    scanner.step()
    proc.close(812, 4)
    assert {} == groups(scanner.step())


def test_huge_table_rests(
    scanner: GroupScanner, proc: ProcFolder, clock: Clock, recent: Recent
) -> None:
    """A process with so many descriptors that a look took 0.1 s rests 5 s."""
    proc.start(900)
    recent.pids = frozenset({900})
    for _ in range(2):  # a full scan, and a look that asks for another
        scanner.step()
    clock.cost = 0.1
    scanner.step()
    clock.cost = 0
    proc.open_group(900, 9)
    clock.seconds += 4.9
    assert {"listener": 1} == groups(scanner.step())
    clock.seconds += 0.2
    assert {"listener": 2} == groups(scanner.step())


def test_half_a_process(scanner: GroupScanner, proc: ProcFolder) -> None:
    """A process that ends while it is looked at harms nothing."""
    proc.start(900, {3: EMPTY_GROUP}, comm=b"ending")
    (proc.path / "900/fdinfo/3").unlink()
    proc.start(901, {3: EMPTY_GROUP}, comm=b"ended")
    (proc.path / "901/stat").unlink()
    assert {"listener": 1} == groups(scanner.step())


def test_link_without_a_group(scanner: GroupScanner, proc: ProcFolder) -> None:
    """A descriptor whose fdinfo is another's by now is no group."""
    proc.start(900, {3: "pos:\t0\n"}, comm=b"other")
    assert {"listener": 1} == groups(scanner.step())


def poll(background: BackgroundScan, until: Callable[[object], object]) -> object:
    """Return what *background* tells, a result or what it raised, once *until*."""
    deadline = time.monotonic() + 10
    while True:
        try:
            told: object = background.latest()
        except RuntimeError as error:
            told = error
        if until(told) or time.monotonic() > deadline:
            return told
        time.sleep(0.01)


def test_background(proc: ProcFolder) -> None:
    """The thread makes the first scan at once, goes on, and ends when told to."""
    background = BackgroundScan(GroupScanner(proc.path))
    assert background.latest() is None
    background.start()
    first = poll(background, bool)
    assert isinstance(first, GroupScan)
    assert {"listener": 1} == groups(first)
    proc.end(812)
    last = poll(background, lambda told: told != first)
    assert isinstance(last, GroupScan)
    assert {} == groups(last)
    background.stop()
    assert "groups" not in {thread.name for thread in threading.enumerate()}


def test_background_that_fails(tmp_path: Path) -> None:
    """A step that fails is told of at each reading until another one goes well."""
    background = BackgroundScan(GroupScanner(tmp_path / "proc"))
    background.start()
    failed = poll(background, bool)
    assert isinstance(failed, RuntimeError)
    assert "looking for groups failed: [Errno 2] No such file" in str(failed)
    ProcFolder(tmp_path / "proc").start(812, {4: EMPTY_GROUP})
    found = poll(background, lambda told: isinstance(told, GroupScan))
    assert isinstance(found, GroupScan)
    assert {"listener": 1} == groups(found)
    background.stop()
