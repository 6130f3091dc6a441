"""
Calls of fanotify_mark(2) that do not return.

Neither the kernel nor /proc tells when a call began, and a thread that makes call after
call may be found inside a call in every pass. So a thread is taken to be inside the
same call as long as its registers at the entry are the same and it seldom goes to
sleep. A call waits once, and a client of NFS that tries again wakes up a few times a
minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from fanotify_exporter.system.cpu_budget import CpuBudget


# A call that is in progress for so long is told, in seconds.
LONG_SECONDS: Final = 10.0

# Passes take at most 0.5 % of a CPU, or more with a user's MAX_USER_THREADS.
PASSES: Final = CpuBudget(share=0.005, min_delay=5.0, max_delay=30.0)

# Seconds after which the result of a pass is too old.
MAX_AGE: Final = 60.0

# How often a second a thread may go to sleep within one call.
MAX_SLEEPS_PER_SECOND: Final = 1.0

# Threads without CAP_SYS_ADMIN that are remembered; a user may have any number.
MAX_USER_THREADS: Final = 1024


@dataclass(frozen=True, slots=True)
class OngoingCall:
    """
    A thread that sleeps inside fanotify_mark(2).

    Attributes:
        tid: thread id in the initial pid namespace.
        started: when the thread started, in a unit of the source.
        comm: printable name of the process's first thread.
        privileged: whether the process has CAP_SYS_ADMIN in the initial user namespace.
        registers: the registers with which the thread entered the kernel, in a form of
            the source.
        sleeps: how often the thread has gone to sleep since its start.
        cgroup: id of the process's cgroup in the v2 hierarchy; 0 if unknown.
    """

    tid: int
    started: int
    comm: str
    privileged: bool
    registers: int | bytes
    sleeps: int
    cgroup: int = 0


class _Seen(NamedTuple):
    """A call, and the times when a pass saw it first and last."""

    call: OngoingCall
    first: float
    last: float


class CallTracker:
    """The calls that were seen in successive passes."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """
        Start without calls.

        Args:
            now: a monotonic clock in seconds.
        """
        self._now = now
        self._seen: dict[tuple[int, int], _Seen] = {}

    def observe(self, calls: Iterable[OngoingCall]) -> tuple[OngoingCall, ...]:
        """
        Return those of *calls* that have been in progress for LONG_SECONDS.

        Calls that are not among *calls* are forgotten.
        """
        now = self._now()
        known, self._seen = self._seen, {}
        users = 0
        for call in calls:
            users += not call.privileged
            if not call.privileged and users > MAX_USER_THREADS:
                continue
            task = call.tid, call.started
            before = known.get(task)
            is_same = before and _is_same(before, call, now)
            first = before.first if before and is_same else now
            self._seen[task] = _Seen(call, first, now)
        return tuple(
            seen.call
            for seen in self._seen.values()
            if now - seen.first >= LONG_SECONDS
        )


def _is_same(before: _Seen, call: OngoingCall, now: float) -> bool:
    """Return whether the thread of *call* has been inside the call since *before*."""
    sleeps = call.sleeps - before.call.sleeps
    return (
        before.call.registers == call.registers
        and sleeps <= (now - before.last) * MAX_SLEEPS_PER_SECOND
    )
