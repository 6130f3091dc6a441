"""Polls of a folder like /proc with tasks that wait, with clocks that the test sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanotify_exporter.fsnotify import wchan
from fanotify_exporter.fsnotify.model import Group, GroupScan, OwnedGroup
from fanotify_exporter.fsnotify.waits import Waiter
from fanotify_exporter.fsnotify.wchan import WaitScanner
from fanotify_exporter.procfs import task
from fanotify_exporter.procfs.task import read_task_stat
from tools.harness.proc_folder import ProcFolder


LISTENER = OwnedGroup("avd", 0, Group(0x4, ()), True, ((100, 812, 4),))  # noqa: FBT003


class Host:
    """A folder like /proc, its scanner, and the clocks; stat costs *cost* of CPU."""

    def __init__(self, path: Path) -> None:
        self.proc = ProcFolder(path)
        self.seconds = 1000.0
        self.cost = 0.0
        self.used = 0.0
        self.scanner = WaitScanner(
            lambda: GroupScan((LISTENER,), 0, 1.0),
            path,
            now=lambda: self.seconds,
            cpu=lambda: self.used,
        )

    def waiters(self) -> tuple[Waiter, ...]:
        """Return the waiters of the next poll, 10 s after the last."""
        self.seconds += 10
        return self.scanner.poll().waiters

    def since(self) -> float:
        """Return since when the only waiter waits, of the next poll."""
        (waiter,) = self.waiters()
        assert waiter.is_since_seen
        return waiter.since

    def tids(self) -> list[int]:
        """Return the waiters of the next poll."""
        return sorted(waiter.tid for waiter in self.waiters())


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host(tmp_path / "proc")

    def costly(pid: int, tid: int, proc: Path) -> bytes:
        host.used += host.cost
        return read_task_stat(pid, tid, proc)

    for module in (wchan, task):
        monkeypatch.setattr(module, "read_task_stat", costly)
    return host


def test_waiting_threads(host: Host) -> None:
    """Threads in state D wait for an answer if their wchan says so."""
    host.proc.start_task(23, 23, state="S", threads=3)
    host.proc.start_task(23, 24, comm=b"worker")
    host.proc.start_task(23, 25, wchan="nfs_wait_bit_killable")
    host.proc.start_task(42, 42, wchan="fanotify_get_response.isra.0")
    host.proc.start_task(43, 43, wchan="0")
    host.proc.start_task(44, 44, state="R")
    (host.proc.path / "45").mkdir()
    found = {(each.pid, each.tid): each.comm for each in host.waiters()}
    assert {(23, 24): "worker", (42, 42): "opener"} == found


def test_result(host: Host) -> None:
    """The waiters belong to the only permission group, oldest first."""
    host.proc.start_task(23, 23)
    host.waiters()
    host.proc.start_task(7, 7)
    host.seconds += 10
    scan = host.scanner.poll()
    (group,) = scan.groups
    assert ("avd", 812, 2, 1010.0) == (
        group.comm,
        group.listener,
        group.waiting,
        group.oldest_since,
    )
    assert [23, 7] == [waiter.tid for waiter in scan.waiters]
    assert {group.address} == {waiter.group for waiter in scan.waiters}
    assert 1020.0 == scan.scanned


def test_hostile_comm(host: Host) -> None:
    """The name of a thread is printable, and is not taken for its state."""
    host.proc.start_task(23, 23, comm=b"a) S 1\n")
    host.proc.start_task(24, 24, comm=b"a) D 1", state="S")
    assert [r"a) S 1\x0a"] == [waiter.comm for waiter in host.waiters()]


def test_one_wait(host: Host) -> None:
    """A task that was not woken up is in the same wait."""
    for _ in range(3):
        host.proc.start_task(23, 23, switches=7, io="rchar: 9\n")
        assert 1010.0 == host.since()


def test_woken_up_by_other_answers(host: Host) -> None:
    """A task that was woken up, and has read nothing, is in the same wait."""
    for switches in range(3):
        host.proc.start_task(23, 23, switches=switches, io="rchar: 9\n")
        assert 1010.0 == host.since()


def test_next_wait(host: Host) -> None:
    """A task that was woken up and has read is in another wait."""
    for number in range(3):
        host.proc.start_task(23, 23, switches=number, io=f"rchar: {number}\n")
        assert 1010.0 + 10 * number == host.since()


def test_without_io_counts(host: Host) -> None:
    """Where nobody knows what a task has read, each waking up begins a wait."""
    for switches, since in ((1, 1010.0), (1, 1010.0), (2, 1030.0)):
        host.proc.start_task(23, 23, switches=switches, io=None)
        assert since == host.since()


def test_reused_tid(host: Host) -> None:
    """Another thread with the id of an ended thread begins a wait."""
    host.proc.start_task(23, 23, started=100, comm=b"first")
    assert 1010.0 == host.since()
    host.proc.start_task(23, 23, started=101, comm=b"second")
    (waiter,) = host.waiters()
    assert ("second", 1020.0) == (waiter.comm, waiter.since)


def test_interrupted_wait(host: Host) -> None:
    """A wait for something else ends a wait."""
    host.proc.start_task(23, 23, switches=1)
    assert 1010.0 == host.since()
    host.proc.start_task(23, 23, switches=2, wchan="folio_wait_bit")
    assert () == host.waiters()
    host.proc.start_task(23, 23, switches=3)
    assert 1030.0 == host.since()


def test_ended_waits(host: Host) -> None:
    """Tasks that go on, threads that end and processes that end do not wait."""
    host.proc.start_task(23, 23, threads=2)
    host.proc.start_task(23, 24)
    host.proc.start_task(25, 25)
    host.proc.start_task(26, 26)
    assert [23, 24, 25, 26] == host.tids()
    host.proc.start_task(23, 23, state="S")
    host.proc.end_task(23, 24)
    host.proc.end(25)
    assert [26] == host.tids()


def test_steps(host: Host) -> None:
    """A long pass takes several polls; each poll inspects all tasks known to wait."""
    pids = range(100, 600)
    for pid in pids:
        host.proc.start_task(pid, pid, state="D" if pid % 100 == 0 else "S")
    host.cost = 0.001
    assert len(host.tids()) < 5
    assert 1.0 < host.scanner.delay() <= 10.0
    for _ in range(50):
        found = host.tids()
        assert 1.0 <= host.scanner.delay() < 2.0
    assert [100, 200, 300, 400, 500] == found
    host.proc.end(300)
    assert [100, 200, 400, 500] == host.tids()


def test_many_known_waits(host: Host) -> None:
    """Polls take 1 % of a CPU, or come after 10 s; half of them is the pass."""
    for pid in range(100, 400):
        host.proc.start_task(pid, pid)
    for _ in range(3):
        host.tids()
    host.cost = 0.0001
    host.tids()
    assert 0.029 / 0.01 <= host.scanner.delay() <= 0.07 / 0.01
    host.cost = 0.001
    host.tids()
    assert 10.0 == host.scanner.delay()


def test_more_than_are_counted(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of known waits is bounded."""
    monkeypatch.setattr(wchan, "MAX_WAITERS", 7)
    for pid in range(100, 123):
        host.proc.start_task(pid, pid)
    for _ in range(2):
        assert 8 == len(host.tids())
