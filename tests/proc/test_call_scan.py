"""Calls of fanotify_mark(2) that do not return, in scans of /proc."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanotify_exporter.fsnotify.call_scan import CallScanner
from fanotify_exporter.fsnotify.calls_in_progress import (
    LONG_SECONDS,
    CallTracker,
    OngoingCall,
)
from fanotify_exporter.procfs.task import DISK_SLEEP, parse_task_state
from tools.harness.listeners import listening
from tools.harness.processes import poll
from tools.harness.stuck_calls import CALL, FUSE, SILENT


class Recorder(CallTracker):
    """A tracker that tells all calls."""

    def observe(self, calls: object) -> tuple[OngoingCall, ...]:
        """Return *calls*."""
        return tuple(calls)  # type: ignore[arg-type]


def scan_until_found(scanner: CallScanner, comm: str) -> list[OngoingCall]:
    """Poll until the scan has met a call of the program *comm*."""
    return poll(lambda: [each for each in scanner.poll() if each.comm == comm], bool)


@pytest.fixture(autouse=True)
def _fuse() -> None:
    if not Path("/dev/fuse").exists():
        pytest.skip("this kernel has no FUSE")


def await_state(pid: int, tid: int) -> None:
    """Wait until the thread waits without being interrupted."""
    stat = Path(f"/proc/{pid}/task/{tid}/stat")
    poll(lambda: parse_task_state(stat.read_bytes()), lambda state: state == DISK_SLEEP)


def test_a_silent_file_system() -> None:
    """The thread of the call is found, and found again in the next poll."""
    code = """
        daemon, path = silent_folder()
        say(start(path))
    """
    scanner = CallScanner(tracker=Recorder())
    with listening(FUSE, CALL, code, prefix=SILENT) as program:
        (tid,) = program.said
        await_state(program.pid, tid)
        (call,) = scan_until_found(scanner, program.comm)
        assert (tid, True) == (call.tid, call.privileged)
        assert call in scanner.poll()
    assert program.comm not in [each.comm for each in scanner.poll()]


def test_a_long_call() -> None:
    """A call is told when a poll has seen it ten seconds after another."""
    code = """
        daemon, path = silent_folder()
        say(start(path))
    """
    now = 0.0
    scanner = CallScanner(tracker=CallTracker(lambda: now))
    with listening(FUSE, CALL, code, prefix=SILENT) as program:
        await_state(program.pid, program.said[0])

        def poll_later() -> list[str]:
            nonlocal now
            now += LONG_SECONDS / 2
            return [each.comm for each in scanner.poll()]

        assert program.comm in poll(poll_later, lambda comms: program.comm in comms)


def test_another_call() -> None:
    """A thread that waits for the same file system inside another call is not found."""
    code = """
        daemon, path = silent_folder()
        say(start(path, lambda *_: libc.access(path, 0)))
    """
    scanner = CallScanner(tracker=Recorder(), cpu=lambda: 0.0)
    with listening(FUSE, CALL, code, prefix=SILENT) as program:
        await_state(program.pid, program.said[0])
        assert program.comm not in [each.comm for each in scanner.poll()]
