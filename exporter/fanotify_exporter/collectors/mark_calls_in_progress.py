"""
Collector of the fanotify_mark(2) calls that do not return.

# TYPE fanotify_mark_calls_in_progress gauge
fanotify_mark_calls_in_progress{comm="fapolicyd"} 1
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily

from fanotify_exporter.collectors.bounds import BoundedGauge
from fanotify_exporter.fsnotify.calls_in_progress import OngoingCall


class MarkCallsInProgressCollector:
    """Collector of the passes over threads inside fanotify_mark(2)."""

    def __init__(self, read: Callable[[], tuple[OngoingCall, ...] | None]) -> None:
        """Collect the calls that *read* returns: None before the first pass."""
        self._read = read

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Yield the family without series."""
        yield _gauge().family()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """
        Yield the family, nothing before the first pass.

        Names of privileged processes always have a series; of the others the largest
        have a series, and the rest are summed.

        Raises:
            RuntimeError: the latest pass failed or hangs.
        """
        calls = self._read()
        if calls is None:
            return
        gauge = _gauge()
        for each in calls:
            gauge.add((each.comm,), 1)
        yield gauge.family({(each.comm,) for each in calls if each.privileged})


def _gauge() -> BoundedGauge:
    return BoundedGauge(
        "fanotify_mark_calls_in_progress",
        "Threads that have been inside one fanotify_mark call for over 10 seconds.",
        ("comm",),
    )
