"""Polls of a folder like /proc that changes, with clocks that the test sets."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from fanotify_exporter.fsnotify import proc_scan
from fanotify_exporter.fsnotify.model import GroupScan
from fanotify_exporter.fsnotify.proc_scan import GroupScanner
from tools.harness.proc_folder import EMPTY_GROUP, MARK, ProcFolder


T = TypeVar("T")


class Clock:
    """
    Clocks that the test sets.

    Each inspection of a process, and each reading of a group, takes *cost* of CPU time,
    unless *reading* is the cost of reading.
    """

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.cost = 0.0
        self.reading: float | None = None
        self._used = 0.0

    def charge(self, name: str) -> None:
        if name == "read_fdinfo" and self.reading is not None:
            self._used += self.reading
        else:
            self._used += self.cost

    def now(self) -> float:
        return self.seconds

    def cpu(self) -> float:
        return self._used


class Recent:
    """The pids that called fanotify_init(2), and whether the set is complete."""

    def __init__(self) -> None:
        self.pids: frozenset[int] = frozenset()
        self.is_complete = True

    def __call__(self) -> tuple[frozenset[int], bool]:
        return self.pids, self.is_complete


@pytest.fixture
def proc(tmp_path: Path) -> ProcFolder:
    proc = ProcFolder(tmp_path / "proc")
    proc.start(1, comm=b"init", privileged=True)
    proc.start(812, {4: EMPTY_GROUP + MARK}, comm=b"listener", uid=994, privileged=True)
    return proc


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()

    def costly(name: str, real: Callable[..., T], *arguments: object) -> T:
        clock.charge(name)
        return real(*arguments)

    for name in ("find_group_descriptors", "read_fdinfo"):
        monkeypatch.setattr(
            proc_scan, name, partial(costly, name, getattr(proc_scan, name))
        )
    return clock


@pytest.fixture
def recent() -> Recent:
    return Recent()


@pytest.fixture
def scanner(proc: ProcFolder, clock: Clock, recent: Recent) -> GroupScanner:
    return GroupScanner(
        proc.path, interval=30, recent_pids=recent, now=clock.now, cpu=clock.cpu
    )


def groups(scan: GroupScan) -> Counter[str]:
    """Return the number of groups by comm."""
    return Counter(owned.comm for owned in scan.groups)


def marks(scan: GroupScan) -> int:
    return sum(each.count for owned in scan.groups for each in owned.group.marks)


def test_first_poll_is_a_full_scan(scanner: GroupScanner) -> None:
    """The first poll finds all groups, and has the time of the scan."""
    before = time.time()
    scan = scanner.poll()
    (owned,) = scan.groups
    assert ("listener", 994, 1) == (owned.comm, owned.uid, marks(scan))
    assert ((100, 812, 4),) == owned.descriptors
    assert 0 == scan.unreadable
    assert before <= scan.scanned <= time.time()


def test_folder_that_is_no_procfs(tmp_path: Path) -> None:
    """Without a procfs a poll fails, and does not report zero groups."""
    with pytest.raises(FileNotFoundError):
        GroupScanner(tmp_path / "none").poll()


def test_polls_each_second(scanner: GroupScanner) -> None:
    """While reading is cheap, polls come each second."""
    scanner.poll()
    assert 1 == scanner.delay()


def test_new_mark(scanner: GroupScanner, proc: ProcFolder) -> None:
    """The next poll has a mark that was added."""
    scanner.poll()
    proc.open_group(812, 4, EMPTY_GROUP + MARK * 3)
    assert 3 == marks(scanner.poll())


def test_other_name(scanner: GroupScanner, proc: ProcFolder) -> None:
    """The next poll has the new name of a process."""
    scanner.poll()
    (proc.path / "812/comm").write_text("other\n")
    assert {"other": 1} == groups(scanner.poll())


def test_closed_group(scanner: GroupScanner, proc: ProcFolder) -> None:
    """The next poll does not have a group whose descriptor was closed."""
    scanner.poll()
    proc.close(812, 4)
    assert {} == groups(scanner.poll())


def test_process_that_ended(scanner: GroupScanner, proc: ProcFolder) -> None:
    """The next poll does not have the groups of a process that has ended."""
    scanner.poll()
    proc.end(812)
    assert {} == groups(scanner.poll())


def test_reused_descriptor(scanner: GroupScanner, proc: ProcFolder) -> None:
    """A descriptor number that is another file now is not a group."""
    scanner.poll()
    proc.open(812, 4, "/dev/null")
    assert {} == groups(scanner.poll())


def test_full_scan_after_the_interval(
    scanner: GroupScanner, proc: ProcFolder, clock: Clock
) -> None:
    """A group of a process that is not recent is found after the interval only."""
    first = scanner.poll()
    proc.start(900, {3: EMPTY_GROUP}, comm=b"new")
    clock.seconds += 29.9
    assert {"listener": 1} == groups(scanner.poll())
    clock.seconds += 0.2
    last = scanner.poll()
    assert {"listener": 1, "new": 1} == groups(last)
    assert last.scanned > first.scanned


def test_recent_pid(scanner: GroupScanner, proc: ProcFolder, recent: Recent) -> None:
    """A poll inspects a recent process, and no other new process."""
    scanner.poll()
    proc.start(900, {3: EMPTY_GROUP}, comm=b"new")
    proc.start(901, {3: EMPTY_GROUP}, comm=b"untold")
    recent.pids = frozenset({900})
    assert {"listener": 1, "new": 1} == groups(scanner.poll())
    recent.pids = frozenset()
    assert {"listener": 1, "new": 1} == groups(scanner.poll())


def test_second_group_of_a_process(
    scanner: GroupScanner, proc: ProcFolder, recent: Recent
) -> None:
    """A poll finds one more group of a known process that is recent."""
    scanner.poll()
    proc.open_group(812, 5)
    recent.pids = frozenset({812})
    assert {"listener": 2} == groups(scanner.poll())


def test_incomplete_recent_pids(
    scanner: GroupScanner, proc: ProcFolder, recent: Recent
) -> None:
    """If the set of recent pids is incomplete, the next poll is a full scan."""
    scanner.poll()
    proc.start(900, {3: EMPTY_GROUP}, comm=b"new")
    recent.is_complete = False
    assert {"listener": 1, "new": 1} == groups(scanner.poll())


def test_group_inherited_by_a_child(
    scanner: GroupScanner, proc: ProcFolder, recent: Recent
) -> None:
    """A recent process without groups, as a daemon's parent, causes a full scan."""
    scanner.poll()
    proc.start(901, {3: EMPTY_GROUP}, comm=b"daemon")
    recent.pids = frozenset({900})
    assert {"listener": 1, "daemon": 1} == groups(scanner.poll())


def test_pid_that_stays_recent(
    scanner: GroupScanner, proc: ProcFolder, recent: Recent
) -> None:
    """A pid that is recent in several polls causes one full scan."""
    scanner.poll()
    recent.pids = frozenset({900})
    scanner.poll()
    scanner.poll()
    proc.start(901, {3: EMPTY_GROUP}, comm=b"untold")
    assert {"listener": 1} == groups(scanner.poll())
    assert {"listener": 1} == groups(scanner.poll())


def test_group_passed_on(scanner: GroupScanner, proc: ProcFolder) -> None:
    """The end of an owner causes a full scan, which finds the group's next owner."""
    scanner.poll()
    proc.start(900, {3: EMPTY_GROUP}, comm=b"heir")
    proc.end(812)
    assert {"heir": 1} == groups(scanner.poll())


def test_budget_of_full_scans(
    scanner: GroupScanner, proc: ProcFolder, clock: Clock, recent: Recent
) -> None:
    """Full scans that are requested all the time take at most 5 % of a CPU."""
    clock.cost = 0.01
    scanner.poll()
    proc.start(900, {3: EMPTY_GROUP}, comm=b"new")
    recent.is_complete = False
    clock.seconds += 0.2
    scanner.poll()
    clock.seconds += 0.1
    assert {"listener": 1} == groups(scanner.poll())
    clock.seconds += 0.2
    assert {"listener": 1, "new": 1} == groups(scanner.poll())


def test_recent_pid_between_full_scans(
    scanner: GroupScanner, proc: ProcFolder, clock: Clock, recent: Recent
) -> None:
    """A recent process is inspected at once, even if a full scan has to wait."""
    clock.cost = 0.01
    scanner.poll()
    proc.start(900, {3: EMPTY_GROUP}, comm=b"new")
    proc.start(901, {3: EMPTY_GROUP}, comm=b"untold")
    recent.pids, recent.is_complete = frozenset({900}), False
    clock.seconds += 0.1
    assert {"listener": 1, "new": 1} == groups(scanner.poll())


def test_expensive_full_scan_extends_the_interval(
    scanner: GroupScanner, proc: ProcFolder, clock: Clock
) -> None:
    """Full scans of 3 s of CPU time come every minute, whatever the interval."""
    clock.cost = 1.5
    scanner.poll()
    proc.start(900, {3: EMPTY_GROUP}, comm=b"new")
    clock.seconds += 59
    assert {"listener": 1} == groups(scanner.poll())
    clock.seconds += 2
    assert {"listener": 1, "new": 1} == groups(scanner.poll())


def test_expensive_group_is_read_rarely(
    scanner: GroupScanner, proc: ProcFolder, clock: Clock
) -> None:
    """A group that took 0.3 s to read keeps its marks, and is read again after 15 s."""
    clock.cost = 0.3
    scanner.poll()
    clock.cost = 0
    proc.open_group(812, 4, EMPTY_GROUP + MARK * 7)
    clock.seconds += 14.9
    assert 1 == marks(scanner.poll())
    clock.seconds += 0.2
    assert 7 == marks(scanner.poll())


def test_expensive_group_that_was_closed(
    scanner: GroupScanner, proc: ProcFolder, clock: Clock
) -> None:
    """The next poll does not have a closed group, even if reading was not due."""
    clock.cost = 0.3
    scanner.poll()
    proc.close(812, 4)
    assert {} == groups(scanner.poll())


def test_expensive_process_is_inspected_rarely(
    scanner: GroupScanner, proc: ProcFolder, clock: Clock, recent: Recent
) -> None:
    """A recent process that took 0.1 s to inspect is inspected again after 5 s."""
    proc.start(900, privileged=True)
    recent.pids = frozenset({900})
    for _ in range(2):  # a full scan, and a poll that requests another
        scanner.poll()
    clock.cost = 0.1
    scanner.poll()
    clock.cost = 0
    proc.open_group(900, 9)
    clock.seconds += 4.9
    assert {"listener": 1} == groups(scanner.poll())
    clock.seconds += 0.2
    assert {"listener": 2} == groups(scanner.poll())


def test_process_that_ends_during_a_poll(
    scanner: GroupScanner, proc: ProcFolder
) -> None:
    """A process that ends while being inspected does not affect other groups."""
    proc.start(900, {3: EMPTY_GROUP}, comm=b"ending")
    (proc.path / "900/fdinfo/3").unlink()
    proc.start(901, {3: EMPTY_GROUP}, comm=b"ended")
    (proc.path / "901/stat").unlink()
    assert {"listener": 1} == groups(scanner.poll())


def test_link_without_a_group(scanner: GroupScanner, proc: ProcFolder) -> None:
    """A descriptor whose fdinfo is not a group's any more is not a group."""
    proc.start(900, {3: "pos:\t0\n"}, comm=b"other")
    assert {"listener": 1} == groups(scanner.poll())


def test_unreadable_process(
    scanner: GroupScanner, recent: Recent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that refuses to be inspected is counted until the next full scan."""

    def refuse(*_: object) -> None:
        raise PermissionError

    recent.pids = frozenset({1})
    scanner.poll()
    with monkeypatch.context() as patch:
        patch.setattr(proc_scan, "find_group_descriptors", refuse)
        assert 2 == scanner.poll().unreadable
    recent.is_complete = False
    assert 0 == scanner.poll().unreadable


def test_full_scan_in_steps(
    scanner: GroupScanner, proc: ProcFolder, clock: Clock
) -> None:
    """A long scan of users' processes goes on in steps; root's groups show at once."""
    for pid in range(100, 106):
        proc.start(pid, {3: EMPTY_GROUP}, comm=b"user")
    clock.cost, clock.reading = 0.4, 0
    scan = scanner.poll()
    assert {"listener": 1, "user": 3} == groups(scan)
    assert 0 == scan.scanned
    clock.seconds += 39  # 5 inspections in 0.05 of the time
    assert 0 == scanner.poll().scanned
    proc.start(813, {3: EMPTY_GROUP}, comm=b"root", privileged=True)
    clock.seconds += 2
    scan = scanner.poll()
    assert {"listener": 1, "user": 6, "root": 1} == groups(scan)
    assert scan.scanned > 0


def test_full_scan_on_request_during_a_long_one(
    scanner: GroupScanner, proc: ProcFolder, clock: Clock, recent: Recent
) -> None:
    """The next step has root's new group even if its pid was lost."""
    for pid in range(100, 200):
        proc.start(pid)
    clock.cost = 0.5
    scanner.poll()
    proc.start(813, {3: EMPTY_GROUP}, comm=b"root", privileged=True)
    recent.is_complete = False
    clock.seconds += 41
    assert {"listener": 1, "root": 1} == groups(scanner.poll())


def test_recent_processes_of_users_delay_nothing(
    scanner: GroupScanner, proc: ProcFolder, clock: Clock, recent: Recent
) -> None:
    """Of a crowd of recent processes one is inspected; root's are all inspected."""
    scanner.poll()
    scanner.delay()
    for pid in range(100, 200):
        proc.start(pid, {3: EMPTY_GROUP}, comm=b"user")
    for pid in range(200, 203):
        proc.start(pid, {3: EMPTY_GROUP}, comm=b"root", privileged=True)
    recent.pids = frozenset(range(100, 203))
    clock.cost = 0.019
    clock.seconds += 1
    assert 3 == groups(scanner.poll())["root"]
    # Of root: three new and four known processes, and the reading of four groups.
    assert pytest.approx(11 * 0.019 / 0.02) == scanner.delay()


def test_known_groups_of_users_take_turns(
    scanner: GroupScanner, proc: ProcFolder, clock: Clock
) -> None:
    """Each poll reads the users' groups that were not read for longest."""
    for pid in range(100, 110):
        proc.start(pid, {3: EMPTY_GROUP + MARK}, comm=b"user", uid=pid)
    assert 11 == marks(scanner.poll())
    for pid in range(100, 110):
        proc.open_group(pid, 3, EMPTY_GROUP + MARK * 2)
    clock.cost = 0.02
    seen = set()
    for _ in range(25):
        scanner.delay()
        clock.seconds += 1
        seen.add(marks(scanner.poll()))
    assert set(range(12, 22)) <= seen


def test_descriptors_left_out(scanner: GroupScanner, proc: ProcFolder) -> None:
    """Descriptors above the bounds are counted until their process ends."""
    for pid in (100, 101):
        proc.start(pid, dict.fromkeys(range(3, 203), EMPTY_GROUP), uid=1000)
    assert 400 - 256 == scanner.poll().left_out
    proc.end(101)
    assert 0 == scanner.poll().left_out
