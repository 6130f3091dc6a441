"""Calls that a seccomp filter answers: the kernel never makes them."""

from __future__ import annotations

import errno
from collections import Counter

import pytest

from .conftest import Caller, Counts
from .plans import ADD, FLUSH, OPEN, REMOVE


ERRNO = 0x0005_0000
"""SECCOMP_RET_ERRNO, linux/seccomp.h."""

PLAN = [(ADD, OPEN, 23), (REMOVE | 0x10, 0x3, 29), (FLUSH, 1 << 31, 31)]
"""The caller has its filter after the first line."""


def answer(action: int) -> list[str]:
    return ["env", f"SECCOMP={action:x}"]


@pytest.mark.parametrize(
    ("syscall", "error"),
    [
        ("fanotify_mark", errno.EPERM),
        ("fanotify_mark", errno.ENOSYS),
        ("fanotify_init", errno.EPERM),
    ],
)
def test_refused(
    counts: Counts, fanotify_groups: Counts, caller: Caller, syscall: str, error: int
) -> None:
    """
    A refused call is counted with its arguments and the filter's errno, or not seen.

    Of a pair the exit alone is seen: the call is said to be lost.
    """
    counts = counts if syscall == "fanotify_mark" else fanotify_groups

    made = caller.run(PLAN, "filtered", syscall=syscall, wrap=answer(ERRNO | error))
    allowed = caller.run([(ADD, OPEN, 37)], "allowed", syscall=syscall)
    refused = Counter(
        {("filtered", flags, mask, error): n for flags, mask, n in PLAN[1:]}
    )

    assert 23 == (made - refused).total()
    assert 60 == (made & refused).total()
    seen = made if counts.sees_refused else made - refused
    assert seen + allowed == counts.of("filtered", "allowed")
    assert (60 if counts.is_pair else 0) == counts.lost()
