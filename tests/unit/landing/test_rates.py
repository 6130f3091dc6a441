"""Rates between two updates of the counters."""

from __future__ import annotations

from fanotify_exporter.landing.rates import RateTracker


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


KEY = "c", "fanotify_mark"


def windows(*when: tuple[float, float]) -> list[tuple[float, float]]:
    """Update at each (time, count); return each rate with the length of its window."""
    clock = Clock()
    rates = RateTracker(clock)
    found = []
    for at, count in when:
        clock.now = 1000.0 + at
        per_second, seconds = rates.update({KEY: count}, age=50.0)
        found.append((per_second[KEY], seconds))
    return found


def test_first_window() -> None:
    """The first window is the whole time since the first call."""
    assert [(2.0, 50.0)] == windows((0, 100))


def test_later_windows() -> None:
    """A later window starts at the previous update."""
    assert [(6.0, 5.0), (0.0, 5.0)] == windows((0, 100), (5, 130), (10, 130))[1:]


def test_minimum_window() -> None:
    """With updates every second, a window is still at least 4 seconds."""
    found = windows(*((float(at), 100 + 3 * at) for at in range(30)))
    assert {3.0} == {rate for rate, _ in found[4:]}
    assert all(4.0 <= seconds < 8.0 for _, seconds in found[8:])


def test_long_pause() -> None:
    """After an hour without updates one window is an hour, and the next is short."""
    found = windows((0, 100), (3600, 3700), (3605, 3800))
    assert [(1.0, 3600.0), (20.0, 5.0)] == found[1:]


def test_new_caller() -> None:
    """All calls of a caller that is new count for the current window."""
    clock = Clock()
    rates = RateTracker(clock)
    rates.update({}, age=50.0)
    clock.now += 10
    assert ({KEY: 2.0}, 10.0) == rates.update({KEY: 20}, age=60.0)


def test_negative_age() -> None:
    """A clock that was set back causes no division by zero."""
    clock = Clock()
    assert ({KEY: 5.0}, 1.0) == RateTracker(clock).update({KEY: 5}, age=-3600.0)
