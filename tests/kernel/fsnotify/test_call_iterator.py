"""Calls of fanotify_mark(2) that do not return, in passes of the iterator."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest

from fanotify_exporter.fsnotify.call_iter import CallIterator
from fanotify_exporter.fsnotify.calls_in_progress import CallTracker, OngoingCall
from fanotify_exporter.procfs.task import parse_task_state
from tools.harness.listeners import listening
from tools.harness.processes import poll
from tools.harness.stuck_calls import CALL, FAULT, FUSE, SILENT


FAULTING = """
    page, address = missing_page()
    say(start(ctypes.c_void_p(address)))
"""


def calls_of(calls: CallIterator, comm: str) -> list[OngoingCall]:
    return [each for each in calls.list() if each.comm == comm]


def await_calls(calls: CallIterator, comm: str) -> list[OngoingCall]:
    """Wait until a thread of the program *comm* is inside the call."""
    return poll(lambda: calls_of(calls, comm), bool)


def state_of(task: str) -> str:
    return parse_task_state(Path(f"{task}/stat").read_bytes())


def test_a_silent_file_system(calls: CallIterator) -> None:
    """A call on a file system that does not answer is listed, pass after pass."""
    if not Path("/dev/fuse").exists():
        pytest.skip("this kernel has no FUSE")
    code = """
        daemon, path = silent_folder()
        say(start(path))
    """
    with listening(FUSE, CALL, code, prefix=SILENT) as program:
        (call,) = await_calls(calls, program.comm)
        assert (program.said[0], True) == (call.tid, call.privileged)
        (again,) = calls_of(calls, program.comm)
    # The first pass may come between the thread's new state and its going to sleep.
    assert again.sleeps - call.sleeps in {0, 1}
    assert call == replace(again, sleeps=call.sleeps)


def test_a_user(calls: CallIterator) -> None:
    """The name of an ordinary user's program is one that the user chose."""
    code = """
        page, address = missing_page()
        os.setresuid(23_456, 23_456, 23_456)
        say(start(ctypes.c_void_p(address)))
    """
    with listening(FAULT, CALL, code) as program:
        (call,) = await_calls(calls, program.comm)
    assert not call.privileged


def test_the_same_call(calls: CallIterator) -> None:
    """A call that has gone on for ten seconds is long."""
    times = iter((100.0, 105.0, 110.0))
    tracker = CallTracker(lambda: next(times))
    with listening(FAULT, CALL, FAULTING) as program:
        await_calls(calls, program.comm)
        passes = [tracker.observe(calls.list()) for _ in range(3)]
    assert [0, 0, 1] == [
        len([each for each in found if each.comm == program.comm]) for found in passes
    ]


def test_another_call(calls: CallIterator) -> None:
    """A thread that waits inside another call is not listed."""
    code = """
        page, address = missing_page()
        call = lambda *_: libc.access(ctypes.c_void_p(address), 0)
        say(start(None, call))
    """
    with listening(FAULT, CALL, code) as program:
        thread = f"/proc/{program.pid}/task/{program.said[0]}"
        poll(lambda: state_of(thread), lambda state: state in "SD")
        assert [] == calls_of(calls, program.comm)


def test_many_calls(calls: CallIterator) -> None:
    """A thread that makes call after call, and sleeps between them, is in none."""
    code = """
        def work():
            while True:
                for _ in range(100_000):
                    libc.fanotify_mark(-1, ADD, ctypes.c_uint64(OPEN), -100, None)
                time.sleep(0.01)

        threading.Thread(target=work, daemon=True).start()
    """
    with listening(code) as program:
        for _ in range(100):
            assert [] == calls_of(calls, program.comm)


def test_a_stopped_program(calls: CallIterator) -> None:
    """A call that has a result is over, also if the program then was stopped."""
    code = """
        def work():
            while True:
                libc.fanotify_mark(-1, ADD, ctypes.c_uint64(OPEN), -100, None)

        threading.Thread(target=work, daemon=True).start()
    """
    with listening(code) as program:
        for _ in range(20):
            os.kill(program.pid, SIGSTOP)
            poll(lambda: state_of(f"/proc/{program.pid}"), lambda state: state == "T")
            assert [] == calls_of(calls, program.comm)
            os.kill(program.pid, SIGCONT)
