"""When a trace ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final


# Time after the end in which the reader may still take what was received.
GRACE_SECONDS: Final = 1.0


class Ending:
    """The end of a trace: a stop signal has come, or the time is over."""

    def __init__(
        self,
        seconds: float | None,
        is_stopped: Callable[[], bool],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Start the time.

        Args:
            seconds: the longest time, None for no end.
            is_stopped: returns whether a stop signal has come.
            now: a clock, in seconds.
        """
        self._is_stopped = is_stopped
        self._now = now
        self._last = None if seconds is None else now() + seconds
        self._began: float | None = None

    def is_due(self) -> bool:
        """Return whether to stop receiving calls."""
        return self._find_begin() is not None

    def is_over(self) -> bool:
        """Return whether the reader had GRACE_SECONDS since the end was due."""
        began = self._find_begin()
        return began is not None and self._now() - began >= GRACE_SECONDS

    def _find_begin(self) -> float | None:
        """Return the time when the end was first seen to be due, None before."""
        if self._began is None:
            now = self._now()
            is_late = self._last is not None and now >= self._last
            if is_late or self._is_stopped():
                self._began = now
        return self._began
