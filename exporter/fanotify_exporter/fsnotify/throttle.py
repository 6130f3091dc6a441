"""Throttling of scans: when each item may be read again, and when to yield the GIL."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Container, Hashable, Iterable, Iterator
from typing import Final, TypeVar

from fanotify_exporter.system.cpu_budget import CpuBudget


# Polls take at most 2 % of a CPU, and at most one poll a second. Expensive items take
# as much in addition.
READS: Final = CpuBudget(share=0.02, min_delay=1.0)

# Inspecting processes of ordinary users, and reading their groups, each takes as much.
USER_READS: Final = CpuBudget(share=0.01, min_delay=1.0)

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


class ScanBudget:
    """
    CPU budget of the items that a scanner reads in each poll.

    A cheap item is due in every poll, and the delay between polls grows with the cost
    of a poll. An expensive item is due again after a delay for the cost of all
    expensive items, and delays neither polls nor other items. So cheap items and
    expensive items each take at most the share of READS.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Start without recorded costs: every item is due."""
        self._now = now
        self._expensive: dict[Hashable, float] = {}
        self._due: dict[Hashable, float] = {}

    def is_due(self, key: Hashable) -> bool:
        """Return whether the item *key* may be read in this poll."""
        return self._now() >= self._due.get(key, -math.inf)

    def record(self, key: Hashable, cpu_seconds: float) -> bool:
        """
        Record that reading the item *key* just took *cpu_seconds*.

        Returns:
            Whether the cost is not a part of the cost of the poll.
        """
        self._expensive.pop(key, None)
        self._due.pop(key, None)
        if cpu_seconds < EXPENSIVE_SECONDS:
            return False
        self._expensive[key] = cpu_seconds
        self._due[key] = self._now() + READS.delay(sum(self._expensive.values()))
        return True

    def retain(self, keys: Container[Hashable]) -> None:
        """Forget all items but *keys*."""
        for key in [key for key in self._expensive if key not in keys]:
            del self._expensive[key], self._due[key]


class UserBudget:
    """
    CPU budget of the items of ordinary users, who may have any number of items.

    Items are due as long as all of them together take at most the share of USER_READS.
    Time that was not used is saved for one poll.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Start without recorded costs."""
        self._now = now
        self._due = -math.inf

    def is_due(self, _key: Hashable) -> bool:
        """Return whether another item may be read in this poll."""
        return self._now() >= self._due

    def record(self, _key: Hashable, cpu_seconds: float) -> bool:
        """Record the cost of an item, and return True as ScanBudget.record() does."""
        earliest = self._now() - USER_READS.min_delay
        self._due = max(self._due, earliest) + cpu_seconds / USER_READS.share
        return True
