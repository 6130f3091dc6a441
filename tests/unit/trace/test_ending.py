"""The end of a trace by a clock of the test."""

from __future__ import annotations

from fanotify_exporter.trace.ending import GRACE_SECONDS, Ending


class Clock:
    """A clock that a test sets, and a stop signal."""

    def __init__(self) -> None:
        """Begin at 100 s, without a signal."""
        self.now = 100.0
        self.is_stopped = False

    def ending(self, seconds: float | None) -> Ending:
        """Return an end after *seconds* or a signal."""
        return Ending(seconds, lambda: self.is_stopped, lambda: self.now)


def test_duration() -> None:
    """The end is due after the time, and over after the grace."""
    clock = Clock()
    ending = clock.ending(5)
    clock.now += 4.9
    assert (False, False) == (ending.is_due(), ending.is_over())
    clock.now += 0.1
    assert (True, False) == (ending.is_due(), ending.is_over())
    clock.now += GRACE_SECONDS
    assert (True, True) == (ending.is_due(), ending.is_over())


def test_signal() -> None:
    """A signal ends a trace without a time, also if nobody asked before the grace."""
    clock = Clock()
    ending = clock.ending(None)
    clock.now += 1_000_000
    assert not ending.is_due()
    clock.is_stopped = True
    assert not ending.is_over()
    clock.now += GRACE_SECONDS
    assert ending.is_over()
