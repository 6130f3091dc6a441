"""How to read without being in the way: how soon again, and with what breaks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Container, Hashable, Iterable, Iterator
from typing import TypeVar


REST = 50
"""Times its own cost that reading rests: 2 % of a CPU."""

ROUND_SECONDS = 1.0
DEAR_SECONDS = ROUND_SECONDS / REST
"""What costs as much could not be read in every round on its own."""

BREAK_SECONDS = 0.0002

T = TypeVar("T")


def yielding_gil(items: Iterable[T], every: int) -> Iterator[T]:
    """
    Yield *items*, with a short sleep between so many and the next.

    A thread that lets go of Python's lock only for system calls of microseconds
    has it back before one that waits for it is awake, and that one never waits the
    5 ms undisturbed after which Python would see to it.
    """
    for number, item in enumerate(items):
        if number and number % every == 0:
            time.sleep(BREAK_SECONDS)
        yield item


class ScanBudget:
    """
    Turns what reading each thing cost into when it is due again.

    What is cheap is due in every round, and rounds come as slowly as all the cheap
    things together ask for. What is dear is due after REST times the cost of all
    that is dear, and delays nothing else. So each kind takes at most 1 / REST of a
    CPU, however many there are.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Start with nothing known, which is all due."""
        self._now = now
        self._cheap = 0.0
        self._dear: dict[Hashable, float] = {}
        self._due: dict[Hashable, float] = {}

    def due(self, key: Hashable) -> bool:
        """Return whether *key* may be read in this round."""
        return self._now() >= self._due.get(key, -math.inf)

    def took(self, key: Hashable, seconds: float) -> None:
        """Note that reading *key* just took *seconds* of CPU time."""
        self._dear.pop(key, None)
        self._due.pop(key, None)
        if seconds < DEAR_SECONDS:
            self._cheap += seconds
        else:
            self._dear[key] = seconds
            self._due[key] = self._now() + REST * sum(self._dear.values())

    def keep(self, keys: Container[Hashable]) -> None:
        """Forget all but *keys*."""
        for key in [key for key in self._dear if key not in keys]:
            del self._dear[key], self._due[key]

    def pause(self) -> float:
        """Return the seconds to wait after the round that ends now."""
        cheap, self._cheap = self._cheap, 0.0
        return max(ROUND_SECONDS, REST * cheap)
