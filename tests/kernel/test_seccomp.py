"""Calls that a seccomp filter answers: the kernel never makes them."""

from __future__ import annotations

import errno
import signal
import subprocess
from collections import Counter

import pytest

from tools.harness.kernel_calls import Caller, Counts
from tools.harness.plans import ADD, FLUSH, OPEN, REMOVE


ERRNO, TRAP, KILL_PROCESS = 0x0005_0000, 0x0003_0000, 0x8000_0000
"""SECCOMP_RET_*, linux/seccomp.h."""

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


@pytest.mark.parametrize("action", [TRAP, KILL_PROCESS])
def test_killed(counts: Counts, caller: Caller, action: int) -> None:
    """A call that seccomp answers with SIGSYS has no result and is not counted."""
    with pytest.raises(subprocess.CalledProcessError) as killed:
        caller.run(PLAN, "killed", wrap=answer(action))

    assert -signal.SIGSYS == killed.value.returncode
    assert {("killed", ADD, OPEN, 0): 23} == counts.of("killed")


@pytest.mark.parametrize("syscall", ["fanotify_init", "inotify_init1"])
def test_killed_maker(
    fanotify_groups: Counts, inotify_groups: Counts, caller: Caller, syscall: str
) -> None:
    """A group is taken for made if its exit is seen: any number may be a descriptor."""
    counts = fanotify_groups if syscall == "fanotify_init" else inotify_groups
    with pytest.raises(subprocess.CalledProcessError):
        caller.run(
            [(0, 0, 41), (0x800, 0, 1)], "killed", syscall=syscall, wrap=answer(TRAP)
        )
    taken = {("killed", 0x800, 0, 0): 1} if counts.sees_refused else {}

    assert {("killed", 0, 0, 0): 41, **taken} == counts.of("killed")
