"""Waits that nobody answers: the waiter or the listener ends, or the kernel denies."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from fanotify_exporter.bpf.loaded import LoadedPermission
from tools.harness.permission.counted import Counted
from tools.harness.permission.listener import Listener, listening
from tools.harness.permission.opener import opening


@pytest.fixture
def sees_killed(counted: Counted) -> None:
    """Skip the test if the programs take a late answer for one to a waiting task."""
    if counted.loaded.iterator_reason:
        pytest.skip("without the read helper no program sees whom an answer is for")


def test_nobody_reads(counted: Counted, listener: Listener, scratch: Path) -> None:
    """Waits for a listener that reads nothing end when the listener is killed."""
    with opening(scratch, tasks=17) as opener:
        opener.await_waiting(17)
        counts = listener.counts()
        listener.kill()
        accesses = opener.finish()

    assert [0] * 17 == [access.errno for access in accesses]
    counted.agree(listener, counts, listener_closed=17)


def test_nobody_answers(counted: Counted, listener: Listener, scratch: Path) -> None:
    """Waits for a listener that reads and does not answer end in the same way."""
    with opening(scratch, tasks=17) as opener:
        listener.read(11)
        opener.await_waiting(17)
        counts = listener.answer(3)
        opener.await_accesses(3)
        listener.kill()
        opener.finish()

    assert 3 == counts.answers
    counted.agree(listener, counts, answered=3, listener_closed=14)


def test_killed_waiters(counted: Counted, listener: Listener, scratch: Path) -> None:
    """Waits of killed tasks end as killed, before and after the listener reads."""
    with opening(scratch, tasks=9, kind="processes") as opener:
        opener.await_waiting(9)
        for tid in opener.tids[:2]:
            opener.kill_task(tid)
        opener.await_waiting(7)
        listener.read(7)
        for tid in opener.tids[2:5]:
            opener.kill_task(tid)
        opener.await_waiting(4)
        # The listener answers in the order of the events: also killed tasks.
        counts = listener.answer(7)
        accesses = opener.finish()

    assert 4 == len(accesses)
    assert 7 == counts.answers
    counted.agree(listener, counts, killed=5, answered=4)


@pytest.mark.usefixtures("sees_killed")
def test_late_answers_leave_other_waits_alone(
    counted: Counted, listener: Listener, scratch: Path
) -> None:
    """After late answers, waits that end unanswered do not count as answered."""
    with opening(scratch, tasks=5, kind="processes") as killed:
        killed.await_waiting(5)
        listener.read(5)
        for tid in killed.tids:
            killed.kill_task(tid)
        assert [] == killed.finish()
        counts = listener.answer(5)
    with opening(scratch, tasks=5) as opener:
        opener.await_waiting(5)
        listener.kill()
        opener.finish()

    assert 5 == counts.answers
    counted.agree(listener, counts, killed=5, listener_closed=5)


def test_kernel_denies(counted: Counted, listener: Listener, scratch: Path) -> None:
    """Waits end unanswered if the listener can have no more descriptors."""
    with opening(scratch, tasks=5) as opener:
        opener.await_waiting(5)
        with listener.without_descriptors():
            for _ in range(3):
                listener.read_one()
        counts = listener.serve(2)
        accesses = opener.finish()

    assert (3, errno.EMFILE) == (counts.unread, counts.errno)
    assert 3 == sum(access.errno == errno.EPERM for access in accesses)
    counted.agree(listener, counts, unanswered=3, answered=2)


def test_one_listener_after_the_other(
    programs: LoadedPermission, scratch: Path
) -> None:
    """Listeners with groups at one address are counted apart."""
    for _ in range(5):
        counted = Counted(programs)
        with listening() as listener:
            listener.mark(scratch)
            with opening(scratch, tasks=3) as opener:
                opener.await_waiting(3)
                counts = listener.serve(2)
                opener.await_accesses(2)
                listener.close()
                opener.finish()

            counted.agree(listener, counts, answered=2, listener_closed=1)


def test_copies_of_a_group(counted: Counted, listener: Listener, scratch: Path) -> None:
    """A group that is copied and shared ends with the last copy, and counts once."""
    listener.dup()
    listener.fork()
    with opening(scratch, tasks=4) as opener:
        opener.await_waiting(4)
        listener.close()
        listener.read(2)
        counts = listener.answer(1)
        opener.await_accesses(1)
        listener.close()
        opener.await_waiting(3)
        listener.reap()
        opener.finish()

    counted.agree(listener, counts, answered=1, listener_closed=3)


def test_removed_mark(counted: Counted, listener: Listener, scratch: Path) -> None:
    """A wait goes on after its mark was removed, and ends with the answer."""
    with opening(scratch) as opener:
        listener.read(1)
        listener.flush()
        opener.await_waiting(1)
        counts = listener.answer(1)
        opener.finish()

    counted.agree(listener, counts, answered=1)


@pytest.mark.usefixtures("sees_killed")
def test_kills_while_the_listener_answers(
    counted: Counted, listener: Listener, scratch: Path
) -> None:
    """Answers that arrive as their tasks are killed leave later waits alone."""
    listener.start(threads=2)
    with opening(scratch, tasks=40, times=0, kind="processes") as opener:
        opener.await_begun(40)
        for tid in list(opener.tids):
            opener.kill_task(tid)
        opener.finish()
    listener.stop()
    before = counted.of(listener.comm).ends
    with opening(scratch, tasks=5) as opener:
        opener.await_waiting(5)
        listener.kill()
        opener.finish()
    after = counted.of(listener.comm).ends

    assert before["killed"] <= 40
    if not counted.skipped("permission_wait"):
        assert {"listener_closed": 5} == dict(after - before)
