"""Times of records by the wall clock."""

from __future__ import annotations

import time
from typing import Final


# Time after which the wall clock is looked at again, nanoseconds.
_AGE_NS: Final = 1_000_000_000

# Longest time between the two looks at CLOCK_BOOTTIME around one at the wall clock. A
# thread that is preempted there takes longer, and tries again.
_NEAR_NS: Final = 20_000
_TRIES: Final = 5


class BootClock:
    """Converts times of CLOCK_BOOTTIME to times since the epoch."""

    def __init__(self) -> None:
        """Look at the clocks at the first time that is converted."""
        self._booted = 0
        self._looked_at = -_AGE_NS

    def unix_ns(self, boot_ns: int) -> int:
        """Return the time *boot_ns* in nanoseconds since the epoch."""
        if boot_ns - self._looked_at >= _AGE_NS:
            self._look()
        return self._booted + boot_ns

    def _look(self) -> None:
        for _ in range(_TRIES):
            before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
            now = time.time_ns()
            after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
            self._booted, self._looked_at = now - (before + after) // 2, after
            if after - before < _NEAR_NS:
                break
