"""Calls that a seccomp filter answers, so the system call does not run."""

from __future__ import annotations

import errno
import signal
import subprocess
from collections import Counter

import pytest

from tools.harness.kernel_caller import Caller
from tools.harness.kernel_calls import Counts, Key
from tools.harness.plans import ADD, FLUSH, OPEN, REMOVE


# SECCOMP_RET_* in include/uapi/linux/seccomp.h
ERRNO, TRAP, KILL_PROCESS = 0x0005_0000, 0x0003_0000, 0x8000_0000

# The caller installs its filter after the first line.
PLAN = [(ADD, OPEN, 23), (REMOVE | 0x10, 0x3, 29), (FLUSH, 1 << 31, 31)]


def answer(action: int) -> list[str]:
    return ["env", f"SECCOMP={action:x}"]


def check(counts: Counts, seen: Counter[Key], *comms: str) -> None:
    """
    Assert that exactly the calls *seen* were counted.

    A pair of tracepoints reports the calls that it does not see as lost, so only the
    counted calls are compared. No kernel that needs a pair preempts itself.
    """
    if counts.is_pair:
        assert seen == counts.of(*comms)
    else:
        counts.agree(seen, *comms)


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
    Exit tracepoints count a refused call with its arguments and the filter's errno.

    Other hooks do not see the call. A pair of tracepoints sees the exit only, and
    reports the call as lost.
    """
    counts = counts if syscall == "fanotify_mark" else fanotify_groups

    made = caller.run(PLAN, "filtered", syscall=syscall, wrap=answer(ERRNO | error))
    allowed = caller.run([(ADD, OPEN, 37)], "allowed", syscall=syscall)
    refused = Counter(
        {("filtered", flags, mask, error): n for flags, mask, n in PLAN[1:]}
    )

    assert 23 == (made - refused).total()
    assert 60 == (made & refused).total()
    seen = (made if counts.sees_refused else made - refused) + allowed
    check(counts, seen, "filtered", "allowed")
    assert not counts.is_pair or 60 == counts.lost()


@pytest.mark.parametrize("action", [TRAP, KILL_PROCESS])
def test_killed(counts: Counts, caller: Caller, action: int) -> None:
    """A call that seccomp(2) answers with SIGSYS has no result and is not counted."""
    with pytest.raises(subprocess.CalledProcessError) as killed:
        caller.run(PLAN, "killed", wrap=answer(action))

    assert -signal.SIGSYS == killed.value.returncode
    check(counts, Counter({("killed", ADD, OPEN, 0): 23}), "killed")


@pytest.mark.parametrize("syscall", ["fanotify_init", "inotify_init1"])
def test_killed_maker(
    fanotify_groups: Counts, inotify_groups: Counts, caller: Caller, syscall: str
) -> None:
    """Exit tracepoints count the killed call: its number looks like a descriptor."""
    counts = fanotify_groups if syscall == "fanotify_init" else inotify_groups
    with pytest.raises(subprocess.CalledProcessError):
        caller.run(
            [(0, 0, 41), (0x800, 0, 1)], "killed", syscall=syscall, wrap=answer(TRAP)
        )
    taken = {("killed", 0x800, 0, 0): 1} if counts.sees_refused else {}

    check(counts, Counter({("killed", 0, 0, 0): 41, **taken}), "killed")
