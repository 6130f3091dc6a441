"""Times of records by the wall clock."""

from __future__ import annotations

import time

import pytest

from fanotify_exporter.trace.clock import BootClock


def test_order_of_times() -> None:
    """Later records have later times, and times are those of the wall clock."""
    clock = BootClock()
    for _ in range(2):
        start = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        times = [clock.unix_ns(start + number) for number in range(100_000)]
        assert sorted(times) == times
        assert abs(times[0] - time.time_ns()) < 1_000_000_000


def test_preempted_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at the clocks that takes long is taken again."""
    boot = iter([0, 50_000_000, 60_000_000, 60_001_000])
    monkeypatch.setattr(time, "clock_gettime_ns", lambda _: next(boot))
    wall = iter([1_000_000_000, 1_060_000_500])
    monkeypatch.setattr(time, "time_ns", lambda: next(wall))
    assert 1_000_000_000 + 70 == BootClock().unix_ns(70)
