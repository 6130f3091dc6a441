"""Waits that a listener answers: their number, lengths, ends and answers."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from tools.harness.permission.counted import Counted, agree_lengths
from tools.harness.permission.listener import (
    ACCESS_PERM,
    DENY,
    PRE_ACCESS,
    Listener,
    deny_with,
    listening,
)
from tools.harness.permission.opener import Access, opening


def errors(accesses: Sequence[Access]) -> dict[int, int]:
    """Return the number of accesses by errno."""
    return dict(Counter(access.errno for access in accesses))


def test_known_lengths(counted: Counted, listener: Listener, scratch: Path) -> None:
    """23 waits of 1 ms, 50 ms and 2 s are in their buckets, and in the sum."""
    with opening(scratch, times=23) as opener:
        for number, seconds in ((11, 0.001), (10, 0.05), (2, 2.0)):
            counts = listener.serve(number, seconds=seconds)
        accesses = opener.finish()

    waits = counted.agree(listener, counts, answered=23)
    agree_lengths(counts, accesses, waits)


def test_allowed_and_denied(
    counted: Counted, listener: Listener, scratch: Path
) -> None:
    """Of 30 waits, 23 end with allow and 7 with deny."""
    with opening(scratch, tasks=30) as opener:
        listener.read(30)
        listener.answer(23)
        counts = listener.answer(7, DENY)
        accesses = opener.finish()

    assert {0: 23, errno.EPERM: 7} == errors(accesses)
    counted.agree(listener, counts, answered=30)


def test_denied_with_errno(
    counted: Counted, pre_content: Listener, scratch: Path
) -> None:
    """Answers of a pre-content listener are counted by errno."""
    numbers = (
        *(errno.EPERM, errno.EIO, errno.EBUSY, errno.ETXTBSY),
        *(errno.EAGAIN, errno.ENOSPC, errno.EDQUOT),
    )
    with opening(scratch, tasks=len(numbers) + 1) as opener:
        pre_content.read(len(numbers) + 1)
        for number in numbers:
            if pre_content.answer(1, deny_with(number)).refused:
                pytest.skip("FAN_DENY_ERRNO needs Linux 6.14")
        counts = pre_content.answer(1)
        accesses = opener.finish()

    assert dict.fromkeys((0, *numbers), 1) == errors(accesses)
    ends = {"answered": len(numbers) + 1}
    counted.agree(pre_content, counts, "pre_content", **ends)
    assert 0 == sum(counted.of(pre_content.comm, "content").buckets)


def test_refused_answer(counted: Counted, listener: Listener, scratch: Path) -> None:
    """An answer that the kernel does not accept is not counted."""
    with opening(scratch) as opener:
        listener.read(1)
        counts = listener.answer(1, 0x40)
        opener.await_waiting(1)
        listener.kill()
        opener.finish()

    assert 1 == counts.refused
    counted.agree(listener, counts, listener_closed=1)


def test_reads(counted: Counted, listener: Listener, scratch: Path) -> None:
    """Waits of read(2) are counted as those of open(2)."""
    listener.flush()
    listener.mark(scratch, ACCESS_PERM)
    with opening(scratch, times=13, action="read") as opener:
        counts = listener.serve(13)
        opener.finish()

    counted.agree(listener, counts, answered=13)


def test_reads_before_content(
    counted: Counted, pre_content: Listener, scratch: Path
) -> None:
    """Waits of FAN_PRE_ACCESS are counted."""
    pre_content.flush()
    try:
        pre_content.mark(scratch, PRE_ACCESS)
    except OSError as error:
        pytest.skip(f"FAN_PRE_ACCESS: {error.strerror}")
    with opening(scratch, times=13, action="read") as opener:
        counts = pre_content.serve(13)
        opener.finish()

    counted.agree(pre_content, counts, "pre_content", answered=13)


def test_several_threads_answer(
    counted: Counted, listener: Listener, scratch: Path
) -> None:
    """Waits that four threads answer count for the process, by its name."""
    listener.start(threads=4)
    with opening(scratch, tasks=4, times=50) as opener:
        opener.finish()
    counts = listener.stop()

    assert 200 == counts.answers
    counted.agree(listener, counts, answered=200)
    assert not counted.of("worker").ends
    assert not counted.of("worker").responses


def test_classes_are_counted_apart(counted: Counted, scratch: Path) -> None:
    """Two listeners of one name and different classes are counted apart."""
    with listening() as one, listening("pre_content", comm=one.comm) as two:
        one.mark(scratch)
        two.mark(scratch)
        one.start()
        two.start(response=DENY)
        with opening(scratch, times=19) as opener:
            accesses = opener.finish()
        counts = one.stop(), two.stop()

    # The pre-content listener is asked first, and denies.
    assert {errno.EPERM: 19} == errors(accesses)
    assert [0, 19] == [each.answers for each in counts]
    counted.agree(two, counts[1], "pre_content", answered=19)
    assert not counted.of(one.comm, "content").ends


def test_two_listeners_are_asked(counted: Counted, scratch: Path) -> None:
    """One open waits for each of two listeners, one after the other."""
    with listening() as one, listening() as two:
        one.mark(scratch)
        two.mark(scratch)
        one.start()
        two.start()
        with opening(scratch, times=19) as opener:
            opener.finish()
        counts = one.stop(), two.stop()
        skips = counted.skipped("permission_wait")
        totals = [counted.of(each.comm) for each in (one, two)]

    assert [19, 19] == [each.answers for each in counts]
    for total in totals:
        assert 19 - skips <= total.ends["answered"] <= 19
