"""Throttling of scans: when items may be read again, and when to yield the GIL."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

from fanotify_exporter.system.cpu_budget import CpuBudget


# Polls take at most 2 % of a CPU, and read at most once a second. Expensive items of
# privileged processes take as much in addition.
READS: Final = CpuBudget(share=0.02, min_delay=1.0)

# Items of unprivileged processes, for each kind and for cheap and expensive ones.
USER_READS: Final = CpuBudget(share=0.005, min_delay=1.0)

# An item of 20 ms that is read once a second uses up READS alone.
EXPENSIVE_SECONDS: Final = READS.share * READS.min_delay

# Long enough for a waiting thread to wake up and take the GIL.
YIELD_SECONDS: Final = 0.0002

T = TypeVar("T")


def yielding_gil(items: Iterable[T], every: int) -> Iterator[T]:
    """
    Yield *items*, with a short sleep after every *every* items.

    A thread that releases the GIL only for system calls of microseconds takes the GIL
    back before a waiting thread has woken up. The waiting thread then waits for
    sys.getswitchinterval(), 5 ms, again and again. A sleep lets the other thread run.
    """
    for number, item in enumerate(items):
        if number and number % every == 0:
            time.sleep(YIELD_SECONDS)
        yield item


class UserBudget:
    """
    CPU budget of the items of unprivileged processes, who may have any number of items.

    Items are due as long as all of them together take at most the share of USER_READS.
    Time that was not used is saved for one poll.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Start without recorded costs."""
        self._now = now
        self._due = -math.inf

    def is_due(self) -> bool:
        """Return whether another item may be read in this poll."""
        return self._now() >= self._due

    def record(self, cpu_seconds: float) -> None:
        """Record that reading an item just took *cpu_seconds*."""
        earliest = self._now() - USER_READS.min_delay
        self._due = max(self._due, earliest) + cpu_seconds / USER_READS.share
