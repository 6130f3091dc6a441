"""
tools.harness.permission: what the listener says it did is what the openers see.

The listener holds back accesses to a scratch file only, and has a watchdog.
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.harness.permission.listener import (
    ACCESS_PERM,
    DENY,
    Listener,
    listening,
)
from tools.harness.permission.opener import opening
from tools.harness.permission.programs import LISTENER, OPENER, compile_program
from tools.harness.requirements import missing


@pytest.fixture(scope="module", autouse=True)
def _programs() -> None:
    """Compile the programs, or skip the tests without a compiler."""
    for name in (LISTENER, OPENER):
        try:
            compile_program(name)
        except FileNotFoundError as error:
            missing(f"no C compiler: {error}")


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    path = tmp_path / "scratch"
    path.write_bytes(b"scratch")
    return path


@pytest.fixture
def listener(scratch: Path) -> Iterator[Listener]:
    """Run a listener that has marked the scratch file."""
    with listening() as listener:
        listener.mark(scratch)
        yield listener


def test_answers(listener: Listener, scratch: Path) -> None:
    """Of 30 opens, 23 are allowed and 7 denied, by both programs."""
    with opening(scratch, tasks=30) as opener:
        listener.read(30)
        listener.answer(23)
        counts = listener.answer(7, DENY)
        accesses = opener.finish()

    assert 30 == counts.events == counts.answers
    assert {("allow", ""): 23, ("deny", "EPERM"): 7} == dict(counts.accepted)
    assert {0: 23, errno.EPERM: 7} == dict(Counter(each.errno for each in accesses))


def test_known_lengths(listener: Listener, scratch: Path) -> None:
    """Each wait is within the open, and lasts as long as the listener was told."""
    with opening(scratch, times=5) as opener:
        counts = listener.serve(5, seconds=0.05)
        accesses = opener.finish()

    assert 5 == len(counts.spans) == len(accesses)
    for (read, answered), access in zip(counts.spans, accesses, strict=True):
        assert access.start < read < answered < access.end
        assert answered - read >= 0.05


def test_nobody_reads(listener: Listener, scratch: Path) -> None:
    """Tasks wait until the listener is killed, and then succeed."""
    with opening(scratch, tasks=16) as opener:
        opener.await_waiting(16)
        queued = listener.queued()
        listener.kill()
        accesses = opener.finish()

    assert 16 == queued
    assert [0] * 16 == [each.errno for each in accesses]


def test_killed_tasks(listener: Listener, scratch: Path) -> None:
    """A killed waiter ends; a late answer to its event is accepted."""
    with opening(scratch, tasks=3, kind="processes") as opener:
        opener.await_waiting(3)
        listener.read(3)
        opener.kill_task(opener.tids[0])
        opener.await_waiting(2)
        counts = listener.answer(3)
        accesses = opener.finish()

    assert 3 == counts.answers
    assert 2 == len(accesses)


def test_several_threads_answer(listener: Listener, scratch: Path) -> None:
    """Opens without end are all answered by four threads."""
    listener.start(threads=4)
    with opening(scratch, tasks=4, times=0) as opener:
        while listener.counts().answers < 200:
            pass
        opener.finish()
    counts = listener.stop()

    assert counts.events == counts.answers == opener.sums[0]


def test_copies_of_the_group(listener: Listener, scratch: Path) -> None:
    """A copy, and then a process with a copy, keep the group and its waiters."""
    listener.dup()
    listener.fork()
    with opening(scratch, tasks=2) as opener:
        opener.await_waiting(2)
        listener.close()
        opener.await_waiting(2)
        listener.close()
        opener.await_waiting(2)
        listener.reap()
        accesses = opener.finish()

    assert [0, 0] == [each.errno for each in accesses]


def test_kernel_denies(listener: Listener, scratch: Path) -> None:
    """The kernel denies an access for which the listener can have no descriptor."""
    with opening(scratch) as opener:
        opener.await_waiting(1)
        with listener.without_descriptors():
            listener.read_one()
        counts = listener.counts()
        (access,) = opener.finish()

    assert (0, 1, errno.EMFILE) == (counts.events, counts.unread, counts.errno)
    assert errno.EPERM == access.errno


def test_listener_opens_its_own_file(listener: Listener, scratch: Path) -> None:
    """A thread of the listener waits for the listener."""
    listener.open(scratch)
    listener.read(1)

    assert 1 == listener.answer(1).answers


def test_peers(listener: Listener, scratch: Path, tmp_path: Path) -> None:
    """Two listeners that open a file of the other before each answer go on."""
    other = tmp_path / "other"
    other.touch()
    with listening() as peer:
        peer.mark(other)
        peer.peer(listener.pid, scratch)
        listener.peer(peer.pid, other)
        peer.start()
        listener.start()
        with opening(scratch, times=20) as one, opening(other, times=20) as two:
            one.finish()
            two.finish()
        counts = listener.stop(), peer.stop()

    assert [40, 40] == [each.answers for each in counts]


def test_reads(listener: Listener, scratch: Path) -> None:
    """A mark for reads leaves opens alone."""
    listener.flush()
    listener.mark(scratch, ACCESS_PERM)
    with opening(scratch, times=2, action="read") as opener:
        counts = listener.serve(2)
        opener.finish()

    assert 2 == counts.events == len(opener.accesses)


def test_watchdog(scratch: Path) -> None:
    """A listener that is not told to end ends, and lets all tasks go on."""
    with listening(seconds=1) as listener:
        listener.mark(scratch)
        with opening(scratch) as opener:
            (access,) = opener.finish()
        status = listener.process.wait()

    assert 0 == access.errno
    assert -14 == status


def test_refused_mark(listener: Listener, tmp_path: Path) -> None:
    """A mark that the kernel refuses raises its errno."""
    with pytest.raises(FileNotFoundError):
        listener.mark(tmp_path / "missing")
    assert listener.process.poll() is None
