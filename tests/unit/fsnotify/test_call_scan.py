"""Polls of a folder like /proc with threads inside system calls."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanotify_exporter.fsnotify import call_scan
from fanotify_exporter.fsnotify.call_scan import CallScanner
from fanotify_exporter.fsnotify.calls_in_progress import CallTracker, OngoingCall
from fanotify_exporter.procfs import task
from fanotify_exporter.procfs.task import read_task_stat
from tools.harness.proc_folder import ProcFolder


STACK, CODE = "0x7ffc15a3ef58", "0x7f1e0a1b2c3d"
MARK = f"301 0x4 0x1 0x20 0xffffff9c 0x7ffd00001000 0x0 {STACK} {CODE}\n"
MARK_32 = "339 0x4 0x1 0x20 0x0 0xffffff9c 0x8049000 0xffd51fa0 0xf7f2b579\n"
UNLINKAT_32 = "301 0xffffff9c 0x8049000 0x0 0x0 0x0 0x0 0xffd51fa0 0xf7f2b579\n"
READ = f"0 0x4 0x1 0x20 0xffffff9c 0x7ffd00001000 0x0 {STACK} {CODE}\n"


class Host:
    """A folder like /proc, its scanner, and the clocks; stat costs *cost* of CPU."""

    def __init__(self, path: Path) -> None:
        self.proc = ProcFolder(path)
        self.seconds = 1000.0
        self.cost = 0.0
        self.used = 0.0
        self.scanner = CallScanner(
            path,
            tracker=CallTracker(lambda: self.seconds),
            machine="x86_64",
            cpu=lambda: self.used,
        )

    def start(
        self, pid: int, syscall: str = MARK, state: str = "D", switches: int = 1
    ) -> None:
        """Start a process with one thread, which is in *syscall*."""
        if not (self.proc.path / str(pid)).exists():
            self.proc.start(pid, comm=b"marker", privileged=True)
        self.proc.start_task(pid, pid, state=state, switches=switches)
        (self.proc.path / f"{pid}/task/{pid}/syscall").write_text(syscall)

    def poll(self, seconds: float = 10) -> tuple[OngoingCall, ...]:
        """Return the long calls of the next poll, *seconds* after the last."""
        self.seconds += seconds
        return self.scanner.poll()

    def long(self) -> list[int]:
        """Return the threads of the calls that go on from now for ten seconds."""
        self.poll()
        return sorted(call.tid for call in self.poll())


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host(tmp_path / "proc")

    def costly(pid: int, tid: int, proc: Path) -> bytes:
        host.used += host.cost
        return read_task_stat(pid, tid, proc)

    for module in (call_scan, task):
        monkeypatch.setattr(module, "read_task_stat", costly)
    return host


def test_calls(host: Host) -> None:
    """Threads in state D are told if they are inside fanotify_mark."""
    host.start(23)
    host.start(24, MARK_32)
    host.start(25, READ)
    host.start(26, UNLINKAT_32)
    host.start(27, state="S")
    host.start(28, "running\n")
    host.start(29, f"-1 {STACK} {CODE}\n")
    (host.proc.path / "30").mkdir()
    host.start(31)
    (host.proc.path / "31/task/31/syscall").unlink()
    assert [23, 24] == host.long()


def test_call(host: Host) -> None:
    """A call has the name of its process."""
    host.start(23)
    host.poll()
    (call,) = host.poll()
    assert (23, 100, "marker", True) == (
        call.tid,
        call.started,
        call.comm,
        call.privileged,
    )


def test_other_calls(host: Host) -> None:
    """A thread that slept often, or has other registers, is in another call."""
    for number in range(4):
        host.start(23, switches=100 * number)
        host.start(24, MARK.replace("0x4", f"0x{number}"))
        assert () == host.poll()


def test_steps(host: Host) -> None:
    """A pass takes several polls, and each inspects the threads inside the call."""
    for pid in range(100, 200):
        host.start(pid, state="D" if pid in (100, 199) else "S")
    host.cost = 0.001
    found = [len(host.poll()) for _ in range(12)]
    assert 5.0 <= host.scanner.delay() < 6.0
    assert [0, 2] == [found[0], found[-1]]
    host.proc.end(199)
    assert [100] == [call.tid for call in host.poll()]


def test_bound(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads of users are bounded."""
    monkeypatch.setattr(call_scan, "MAX_USER_THREADS", 3)
    for pid in range(100, 110):
        host.proc.start(pid, uid=1000)
        host.start(pid)
    host.start(200)
    found = host.long()
    assert 4 == len(found)
    assert 200 in found
