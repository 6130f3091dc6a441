"""Polls that read what a source lists, with clocks that the test sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fanotify_exporter.fsnotify import group_scan
from fanotify_exporter.fsnotify.group_scan import GroupScanner
from fanotify_exporter.fsnotify.inventory import Inventory, Kind, OpenFile
from fanotify_exporter.fsnotify.model import (
    DescriptorKey,
    GroupScan,
    Queue,
    UserCounts,
)
from fanotify_exporter.fsnotify.readings import Content, read_descriptor
from tools.harness.proc_folder import (
    EMPTY_GROUP,
    EMPTY_INSTANCE,
    MARK,
    WATCH,
    ProcFolder,
)


class Clock:
    """Clocks that the test sets; each reading of a descriptor takes *cost*."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.used = 0.0
        self.cost = 0.0
        self.costs: dict[int, float] = {}

    def now(self) -> float:
        return self.seconds

    def cpu(self) -> float:
        return self.used


class FixedSource:
    """A source that lists *files*; a list takes *cost*."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.files: list[OpenFile] = []
        self.cost = 0.0
        self.lists = 0
        self.error: Exception | None = None
        self.users: dict[int, UserCounts] | None = None

    def list(self) -> Inventory:
        self.lists += 1
        self._clock.used += self.cost
        if self.error:
            raise self.error
        return Inventory(
            tuple(self.files),
            float(self.lists),
            unreadable=2,
            left_out=3,
            users=self.users,
        )

    def delay(self, cpu_seconds: float) -> float:
        return max(10.0, cpu_seconds * 20)


class Host:
    """Processes that the source lists, each with one open file as descriptor 4."""

    def __init__(self, proc: ProcFolder, source: FixedSource) -> None:
        self.proc = proc
        self.source = source

    def start(
        self, pid: int, kind: Kind = Kind.FANOTIFY, *, privileged: bool = True
    ) -> None:
        """Start a process whose name tells its pid."""
        self.proc.start(pid)
        self.change(pid, 1, kind)
        self.source.files.append(
            OpenFile(kind, f"p{pid}", pid, privileged, ((100, pid, 4),))
        )

    def change(self, pid: int, count: int, kind: Kind = Kind.FANOTIFY) -> None:
        """Set the number of marks or watches."""
        if kind is Kind.FANOTIFY:
            self.proc.open_group(pid, 4, EMPTY_GROUP + MARK * count)
        else:
            self.proc.open_instance(pid, 4, EMPTY_INSTANCE + WATCH * count)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()

    def costly(
        descriptor: DescriptorKey, kind: Kind, proc: Path, *, is_privileged: bool
    ) -> Content | None:
        clock.used += clock.costs.get(descriptor[1], clock.cost)
        return read_descriptor(descriptor, kind, proc, is_privileged=is_privileged)

    monkeypatch.setattr(group_scan, "read_descriptor", costly)
    return clock


@pytest.fixture
def source(clock: Clock) -> FixedSource:
    return FixedSource(clock)


@pytest.fixture
def host(tmp_path: Path, source: FixedSource) -> Host:
    return Host(ProcFolder(tmp_path / "proc"), source)


@pytest.fixture
def scanner(host: Host, source: FixedSource, clock: Clock) -> GroupScanner:
    return GroupScanner(source, host.proc.path, now=clock.now, cpu=clock.cpu)


def counts(scan: GroupScan) -> dict[str, int]:
    """Return the number of marks or watches by comm."""
    marks = Counter[str]()
    for owned in scan.groups:
        marks[owned.comm] += sum(each.count for each in owned.group.marks)
    return dict(marks) | {each.comm: each.watches for each in scan.instances}


def polls(scanner: GroupScanner, clock: Clock, seconds: float) -> Iterator[GroupScan]:
    """Poll for some time, as often as the scanner says."""
    end = clock.seconds + seconds
    while clock.seconds < end:
        clock.seconds += scanner.delay()
        yield scanner.poll()


def test_what_the_source_lists(
    scanner: GroupScanner, host: Host, source: FixedSource
) -> None:
    """A scan has the groups and the instances, with all that the source told."""
    queue = Queue(7, 16_384)
    keys = ((100, 1, 4), (120, 1, 5))
    host.proc.start(1, {4: EMPTY_GROUP + MARK * 9})
    host.proc.start(2)
    host.proc.open_instance(2, 4, EMPTY_INSTANCE + WATCH * 5)
    source.files = [
        OpenFile(Kind.FANOTIFY, "av", 7, True, keys, queue, 44),  # noqa: FBT003
        OpenFile(Kind.INOTIFY, "tail", 8, False, ((100, 2, 4),), queue, 45),  # noqa: FBT003
    ]
    source.users = {7: UserCounts(1, 9, 0, 0)}
    scan = scanner.poll()
    (group,) = scan.groups
    assert 9 == group.group.limited_marks
    assert ("av", 7, True, keys, queue, 44) == (
        group.comm,
        group.uid,
        group.privileged,
        group.descriptors,
        group.queue,
        group.cgroup,
    )
    (instance,) = scan.instances
    assert ("tail", 8, 5, False, ((100, 2, 4),), 45) == (
        instance.comm,
        instance.uid,
        instance.watches,
        instance.privileged,
        instance.descriptors,
        instance.cgroup,
    )
    assert (2, 1.0, 3) == (scan.unreadable, scan.scanned, scan.left_out)
    assert source.users == scan.users


def test_polls_between_lists(
    scanner: GroupScanner, host: Host, source: FixedSource, clock: Clock
) -> None:
    """Each second a poll reads the known files again; lists come when they are due."""
    host.start(1)
    scanner.poll()
    for seconds in range(1, 10):
        assert 1 == scanner.delay()
        clock.seconds += 1
        host.change(1, seconds)
        assert {"p1": seconds} == counts(scanner.poll())
    assert 1 == source.lists
    clock.seconds += scanner.delay()
    scanner.poll()
    assert 2 == source.lists


def test_expensive_list(
    scanner: GroupScanner, source: FixedSource, clock: Clock
) -> None:
    """A list delays the next list by its cost, and no poll."""
    source.cost = 3
    scanner.poll()
    assert 1 == scanner.delay()
    list(polls(scanner, clock, 59))
    assert 1 == source.lists
    list(polls(scanner, clock, 1))
    assert 2 == source.lists


def test_source_that_fails(
    scanner: GroupScanner, host: Host, source: FixedSource, clock: Clock
) -> None:
    """If the source fails polls fail, in the rhythm of lists, until it works again."""
    host.start(1)
    scanner.poll()
    source.error = OSError("gone")
    clock.seconds += 10
    with pytest.raises(OSError, match="gone"):
        scanner.poll()
    assert 10 == scanner.delay()
    with pytest.raises(OSError, match="gone"):
        scanner.poll()
    source.error = None
    assert {"p1": 1} == counts(scanner.poll())


def test_reading_that_fails(
    scanner: GroupScanner,
    host: Host,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After an unexpected error the next poll comes a second later."""

    def fail(*_: object, **__: object) -> None:
        raise OSError("broken")

    host.start(1)
    monkeypatch.setattr(group_scan, "read_descriptor", fail)
    with pytest.raises(OSError, match="broken"):
        scanner.poll()
    assert 1 == scanner.delay()
    clock.seconds += 1
    with pytest.raises(OSError, match="broken"):
        scanner.poll()
    assert 1 == scanner.delay()


def test_next_descriptor(
    scanner: GroupScanner, host: Host, source: FixedSource, clock: Clock
) -> None:
    """A file is read by the first descriptor that still is of the kind."""
    keys = ((90, 1, 4), (100, 2, 4), (100, 3, 4), (100, 4, 4))
    for pid in (1, 2, 3, 4):  # process 1 was started at 100: its pid was reused
        host.proc.start(pid, {4: EMPTY_GROUP + MARK * pid})
    host.proc.open(2, 4, "/dev/null")
    source.files = [OpenFile(Kind.FANOTIFY, "av", 0, True, keys)]  # noqa: FBT003
    (owned,) = scanner.poll().groups
    assert keys[2:] == owned.descriptors
    assert 3 == owned.group.limited_marks
    for pid in (3, 4):
        host.proc.close(pid, 4)
    clock.seconds += 1
    assert () == scanner.poll().groups


def test_descriptor_of_another_file_now(
    scanner: GroupScanner, host: Host, source: FixedSource, clock: Clock
) -> None:
    """A group that was read by its second descriptor is not shown for the first."""
    keys = ((100, 1, 4), (100, 2, 4))
    host.proc.start(1)
    host.proc.open(1, 4, "/dev/null")
    host.proc.start(2, {4: EMPTY_GROUP + MARK})
    source.files = [OpenFile(Kind.FANOTIFY, "av", 0, False, keys)]  # noqa: FBT003
    clock.cost = 0.1
    (owned,) = scanner.poll().groups
    assert keys[1:] == owned.descriptors
    source.files = [
        OpenFile(Kind.FANOTIFY, "av", 0, False, (key,))  # noqa: FBT003
        for key in keys
    ]
    scans = list(polls(scanner, clock, 100))
    assert {keys[1:]} == {each.descriptors for scan in scans for each in scan.groups}


def test_closed_instance(scanner: GroupScanner, host: Host, clock: Clock) -> None:
    """An instance that was closed is left out also while it is not due."""
    host.start(1, Kind.INOTIFY, privileged=False)
    host.proc.end(1)
    clock.costs[1] = 0.01
    for _ in range(3):
        assert () == scanner.poll().instances
        clock.seconds += 0.5


def test_refused_reading(
    scanner: GroupScanner,
    host: Host,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A process that refuses counts as unreadable; its instances exist."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    host.start(1)
    host.start(2, Kind.INOTIFY)
    with monkeypatch.context() as patch:
        patch.setattr(group_scan, "read_descriptor", refuse)
        scan = scanner.poll()
    assert ({"p2": 0}, 4) == (counts(scan), scan.unreadable)
    clock.seconds += 1
    scan = scanner.poll()
    assert ({"p1": 1, "p2": 1}, 2) == (counts(scan), scan.unreadable)


def test_refused_process_that_ended(
    scanner: GroupScanner,
    host: Host,
    source: FixedSource,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A process that the source does not list any more is not unreadable."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    host.start(1)
    monkeypatch.setattr(group_scan, "read_descriptor", refuse)
    assert 3 == scanner.poll().unreadable
    source.files.clear()
    clock.seconds += 10
    assert 2 == scanner.poll().unreadable


@pytest.mark.parametrize("kind", Kind)
def test_expensive_file(
    scanner: GroupScanner, host: Host, clock: Clock, kind: Kind
) -> None:
    """A file that took 0.3 s to read is read again after 15 s, whatever is listed."""
    host.start(1, kind)
    clock.cost = 0.3
    scanner.poll()
    assert 1 == scanner.delay()
    host.change(1, 7, kind)
    assert all({"p1": 1} == counts(scan) for scan in polls(scanner, clock, 14))
    assert {"p1": 7} in [counts(scan) for scan in polls(scanner, clock, 2)]


def test_expensive_files_share_the_budget(
    scanner: GroupScanner, host: Host, clock: Clock
) -> None:
    """Five expensive files take 2 % of a CPU and not 10 %, and delay no cheap one."""
    for pid in range(1, 6):
        host.start(pid)
        clock.costs[pid] = 0.4
    host.start(99)
    scanner.poll()
    started, used = clock.seconds, clock.used
    for _ in polls(scanner, clock, 500):
        assert scanner.delay() <= 1
    assert 0.015 < (clock.used - used) / (clock.seconds - started) < 0.025
    host.change(99, 7)
    clock.seconds += 1
    assert 7 == counts(scanner.poll())["p99"]


def test_file_that_became_cheap(
    scanner: GroupScanner, host: Host, clock: Clock
) -> None:
    """Only the latest cost of a file counts."""
    host.start(1)
    clock.cost = 1
    scanner.poll()
    clock.cost = 0.001
    clock.seconds += 50
    scanner.poll()
    host.change(1, 7)
    clock.seconds += 1
    assert {"p1": 7} == counts(scanner.poll())


def test_many_cheap_files(scanner: GroupScanner, host: Host, clock: Clock) -> None:
    """Many cheap files delay the next reading by their cost."""
    for pid in range(1, 11):
        host.start(pid)
    clock.cost = 0.019
    scanner.poll()
    assert pytest.approx(0.19 / 0.02) == scanner.delay()
    clock.seconds += 9
    scanner.poll()
    assert pytest.approx(0.19) == clock.used


def test_new_file_between_readings(
    scanner: GroupScanner, host: Host, clock: Clock
) -> None:
    """A new file of a privileged process is read as soon as it is listed."""
    for pid in range(1, 31):
        host.start(pid)
    clock.cost = 0.019
    scanner.poll()  # 0.57 s: the next reading of all comes 28.5 s later
    host.start(99)
    clock.seconds += scanner.delay()
    assert 1 == counts(scanner.poll())["p99"]
    assert pytest.approx(31 * 0.019) == clock.used


def test_users_delay_nothing(scanner: GroupScanner, host: Host, clock: Clock) -> None:
    """A crowd of users' files takes its own share; privileged files are read."""
    for pid in range(100, 200):
        host.start(pid, Kind.INOTIFY, privileged=False)
    host.start(1)
    clock.cost = 0.004
    started = clock.seconds
    for scan in polls(scanner, clock, 100):
        assert 100 == len(scan.instances)
        assert scanner.delay() <= 1
    users = clock.used - 0.004 * (clock.seconds - started + 1)
    assert pytest.approx(0.005 * 100, rel=0.05) == users


def test_users_take_turns(scanner: GroupScanner, host: Host, clock: Clock) -> None:
    """Each poll reads the users' files that were not read for longest."""
    for pid in range(100, 110):
        host.start(pid, privileged=False)
    scanner.poll()
    for pid in range(100, 110):
        host.change(pid, 2)
    clock.cost = 0.01
    seen = [sum(counts(scan).values()) for scan in polls(scanner, clock, 25)]
    assert set(range(11, 21)) <= set(seen)


def test_descriptor_that_moves(
    scanner: GroupScanner, host: Host, source: FixedSource, clock: Clock
) -> None:
    """A file that the kernel lists is shown, with the marks that were read last."""
    host.start(100)
    source.files[0] = replace(source.files[0], address=0x1000)
    host.proc.close(100, 4)
    assert {"p100": 0} == counts(scanner.poll())
    host.change(100, 7)
    clock.seconds += 1
    assert {"p100": 7} == counts(scanner.poll())
    host.proc.close(100, 4)
    for fd in range(5, 8):
        source.files[0] = replace(source.files[0], descriptors=((100, 100, fd),))
        clock.seconds += 10
        assert {"p100": 7} == counts(scanner.poll())
    source.files.clear()
    clock.seconds += 10
    assert {} == counts(scanner.poll())


def test_users_with_too_many_marks(
    scanner: GroupScanner, host: Host, source: FixedSource, clock: Clock
) -> None:
    """Their files exist without marks, and are not read; those of others are."""
    host.start(100, privileged=False)
    host.start(101, Kind.INOTIFY, privileged=False)
    host.start(102, privileged=False)
    host.start(103)
    for place, charged in ((0, 600_001), (1, 600_001), (2, 600_000), (3, 600_001)):
        source.files[place] = replace(source.files[place], charged=charged)
    expected = {"p100": 0, "p101": 0, "p102": 1, "p103": 1}
    assert expected == counts(scanner.poll())
    source.files[0] = replace(source.files[0], charged=1)
    clock.seconds += 10
    assert expected | {"p100": 1} == counts(scanner.poll())


def test_file_that_is_always_new(
    scanner: GroupScanner, host: Host, source: FixedSource, clock: Clock
) -> None:
    """A user who moves an expensive group to new descriptors puts off nobody."""
    host.start(100, privileged=False)
    clock.costs[100] = 0.5
    scanner.poll()
    host.start(101, privileged=False)
    for fd in range(5, 30):
        host.proc.open_group(100, fd, EMPTY_GROUP + MARK)
        (key,) = source.files[0].descriptors
        source.files[0] = replace(source.files[0], descriptors=((*key[:2], fd),))
        clock.seconds += 10  # until the next list
        scan = scanner.poll()
    assert 1 == counts(scan)["p101"]


def test_users_kinds_and_costs_are_apart(
    scanner: GroupScanner, host: Host, clock: Clock
) -> None:
    """Neither an expensive file nor the other kind delays a user's cheap file."""
    host.start(100, Kind.INOTIFY, privileged=False)
    host.start(101, Kind.INOTIFY, privileged=False)
    host.start(102, privileged=False)
    clock.costs[100] = 0.5
    list(polls(scanner, clock, 110))
    for pid, kind in ((100, Kind.INOTIFY), (101, Kind.INOTIFY), (102, Kind.FANOTIFY)):
        host.change(pid, 5, kind)
    clock.seconds += 1
    assert {"p100": 1, "p101": 5, "p102": 5} == counts(scanner.poll())
    clock.seconds += 100
    assert {"p100": 5, "p101": 5, "p102": 5} == counts(scanner.poll())


def test_unread_files_of_users(scanner: GroupScanner, host: Host, clock: Clock) -> None:
    """An instance exists before it is read; of a group nothing is known."""
    clock.cost = 1
    for pid in (100, 101):
        host.start(pid, Kind.INOTIFY, privileged=False)
    for pid in (102, 103):
        host.start(pid, privileged=False)
    assert {"p100": 1, "p101": 0, "p102": 1} == counts(scanner.poll())
