"""Scans of a folder like /proc that changes, with CPU times that the test sets."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from fanotify_exporter.fsnotify import proc_scan
from fanotify_exporter.fsnotify.descriptors import Descriptors, find_descriptors
from fanotify_exporter.fsnotify.inventory import Inventory, Kind, OpenFile
from fanotify_exporter.fsnotify.open_files import Comparison, group_by_open_file
from fanotify_exporter.fsnotify.proc_scan import ProcScan
from tools.harness.proc_folder import EMPTY_GROUP, ProcFolder


class Costs:
    """CPU time that the test sets: each inspection of a process takes *inspection*."""

    def __init__(self) -> None:
        self.used = 0.0
        self.inspection = 0.0
        self.comparing = 0.0

    def cpu(self) -> float:
        return self.used


@pytest.fixture
def proc(tmp_path: Path) -> ProcFolder:
    proc = ProcFolder(tmp_path / "proc")
    proc.start(1, comm=b"init", privileged=True)
    proc.start(812, {4: EMPTY_GROUP}, comm=b"listener", uid=994, privileged=True)
    return proc


@pytest.fixture
def costs(monkeypatch: pytest.MonkeyPatch) -> Costs:
    costs = Costs()

    def find(pid: int, proc: Path, *, bounded: bool) -> tuple[Descriptors, int]:
        costs.used += costs.inspection
        return find_descriptors(pid, proc, bounded=bounded)

    def group(*arguments: object) -> list[Descriptors]:
        costs.used += costs.comparing / len(Kind)
        return group_by_open_file(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(proc_scan, "find_descriptors", find)
    monkeypatch.setattr(proc_scan, "group_by_open_file", group)
    return costs


@pytest.fixture
def source(proc: ProcFolder, costs: Costs) -> ProcScan:
    return ProcScan(proc.path, interval=30, cpu=costs.cpu)


def comms(inventory: Inventory) -> Counter[str]:
    """Return the number of open files by comm."""
    return Counter(file.comm for file in inventory.files)


def test_open_files(source: ProcScan, proc: ProcFolder) -> None:
    """A scan lists groups and instances with their owners, and has its time."""
    proc.open_instance(1, 9)
    before = time.time()
    inventory = source.list()
    assert {
        OpenFile(Kind.FANOTIFY, "listener", 994, True, ((100, 812, 4),)),  # noqa: FBT003
        OpenFile(Kind.INOTIFY, "init", 0, True, ((100, 1, 9),)),  # noqa: FBT003
    } == set(inventory.files)
    assert before <= inventory.scanned <= time.time()
    assert (0, 0, None) == (inventory.unreadable, inventory.left_out, inventory.users)


def test_folder_that_is_no_procfs(tmp_path: Path) -> None:
    """Without a procfs a scan fails, and does not report zero groups."""
    source = ProcScan(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        source.list()
    assert 10 == source.delay(0)


def test_changes(source: ProcScan, proc: ProcFolder) -> None:
    """The next scan has new groups, and no group that was closed."""
    assert {"listener": 1} == comms(source.list())
    proc.open_group(812, 5)
    proc.start(900, {3: EMPTY_GROUP}, comm=b"new")
    assert {"listener": 2, "new": 1} == comms(source.list())
    proc.close(812, 4)
    proc.end(900)
    assert {"listener": 1} == comms(source.list())
    proc.open(812, 5, "/dev/null")
    assert {} == comms(source.list())


def test_shared_files(
    source: ProcScan, proc: ProcFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Descriptors of one open file are one file; each kind is compared by itself."""

    def compare(one: tuple[int, int], other: tuple[int, int]) -> int:
        kinds = {fd % 2 for _, fd in (one, other)}
        assert 1 == len(kinds)
        return (one[1] > other[1]) - (one[1] < other[1])

    compared: Comparison = compare
    monkeypatch.setattr(source, "_compare", compared)
    proc.open_instance(812, 5)
    proc.start(900, {4: EMPTY_GROUP, 8: EMPTY_GROUP}, comm=b"child", started=200)
    proc.open_instance(900, 5)
    for _ in range(3):
        inventory = source.list()
        assert {"listener": 2, "child": 1} == comms(inventory)
        assert {
            ((100, 812, 4), (200, 900, 4)),
            ((100, 812, 5), (200, 900, 5)),
            ((200, 900, 8),),
        } == {file.descriptors for file in inventory.files}


def test_process_that_ends_during_a_scan(source: ProcScan, proc: ProcFolder) -> None:
    """A process that ends while being inspected does not affect other groups."""
    for pid, missing in enumerate(("stat", "comm", "status", "fd"), start=900):
        proc.start(pid, {3: EMPTY_GROUP}, comm=b"ending")
        (proc.path / str(pid) / missing).rename(proc.path / str(pid) / "gone")
    assert {"listener": 1} == comms(source.list())


def test_unreadable_process(
    source: ProcScan, proc: ProcFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that refuses to be inspected is counted until it no longer does."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    source.list()
    with monkeypatch.context() as patch:
        patch.setattr(proc_scan, "find_descriptors", refuse)
        assert 2 == source.list().unreadable
        proc.end(1)
        assert 1 == source.list().unreadable
    assert 0 == source.list().unreadable


def test_interval(source: ProcScan) -> None:
    """Scans come in the interval, or as rarely as they take 5 % of a CPU."""
    source.list()
    assert 30 == source.delay(1.5)
    assert pytest.approx(60) == source.delay(3)


def test_steps(source: ProcScan, proc: ProcFolder, costs: Costs) -> None:
    """A long scan of users' processes goes on in steps; root's groups show at once."""
    for pid in range(100, 107):
        proc.start(pid, {3: EMPTY_GROUP}, comm=b"user")
    costs.inspection = 0.11
    inventory = source.list()
    assert {"listener": 1, "user": 3} == comms(inventory)
    assert 0 == inventory.scanned
    assert pytest.approx(10) == source.delay(0.5)
    proc.start(813, {3: EMPTY_GROUP}, comm=b"root", privileged=True)
    inventory = source.list()
    assert {"listener": 1, "root": 1, "user": 5} == comms(inventory)
    assert 0 == inventory.scanned
    proc.end(100)
    inventory = source.list()
    assert {"listener": 1, "root": 1, "user": 6} == comms(inventory)
    assert inventory.scanned > 0
    assert 30 == source.delay(0.5)
    scanned = inventory.scanned
    assert scanned == source.list().scanned


@pytest.mark.parametrize("expensive", ["inspection", "comparing"])
def test_users_get_what_is_left(
    source: ProcScan, proc: ProcFolder, costs: Costs, expensive: str
) -> None:
    """Users' processes get at least 0.1 s, however long the other work takes."""
    source.list()
    for pid in range(100, 107):
        proc.start(pid, {3: EMPTY_GROUP}, comm=b"user")
    if expensive == "comparing":
        costs.comparing = 2.0
        source.list()
        costs.inspection = 0.06
        for pid in range(100, 107):
            proc.open_group(pid, 4)
        assert 7 + 2 == comms(source.list())["user"]
    else:
        costs.inspection = 0.6
        assert 1 == comms(source.list())["user"]


def test_bounds(source: ProcScan, proc: ProcFolder) -> None:
    """Descriptors above the bounds are counted until their process ends."""
    for pid in (100, 101):
        proc.start(pid, dict.fromkeys(range(3, 203), EMPTY_GROUP), uid=1000)
    assert 400 - 256 == source.list().left_out
    proc.end(101)
    assert 0 == source.list().left_out


def test_privileged_processes_in_full(
    source: ProcScan, proc: ProcFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A privileged process is inspected in full, any other within bounds."""
    inspected = {}

    def find(pid: int, proc: Path, *, bounded: bool) -> tuple[Descriptors, int]:
        inspected[pid] = bounded
        return find_descriptors(pid, proc, bounded=bounded)

    monkeypatch.setattr(proc_scan, "find_descriptors", find)
    proc.start(100)
    source.list()
    assert {1: False, 812: False, 100: True} == inspected
