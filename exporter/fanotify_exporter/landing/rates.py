"""Rates of counters between two page views."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping


# Minimum window of a rate, in seconds; shorter windows are too noisy. The page
# refreshes every 5 s, so each refresh of a single viewer starts a new window.
MIN_WINDOW_SECONDS = 4.0

# A comm, or None where --label.drop=comm sums over all comms; and a system call.
CallKey = tuple[str | None, str]

Counts = Mapping[CallKey, float]


class RateTracker:
    """Compute rates since an earlier sample, for any number of viewers."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the time in seconds from *clock*."""
        self._clock = clock
        self._base: tuple[float, Counts] | None = None
        self._latest: tuple[float, Counts] | None = None

    def update(self, counts: Counts, age: float) -> tuple[Counts, float]:
        """
        Return the counts per second, and the length of the window in seconds.

        The window starts at the last sample that is at least MIN_WINDOW_SECONDS
        old. The first window starts *age* seconds ago, with all counts at 0.
        """
        now = self._clock()
        if self._base is None or self._latest is None:
            self._base = self._latest = (now - max(age, 1.0), {})
        if now - self._latest[0] >= MIN_WINDOW_SECONDS:
            self._base, self._latest = self._latest, (now, counts)
        start, before = self._base
        seconds = now - start
        return {
            key: (count - before.get(key, 0)) / seconds for key, count in counts.items()
        }, seconds
