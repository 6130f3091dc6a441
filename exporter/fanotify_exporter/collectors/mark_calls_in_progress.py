"""
Collector of the fanotify_mark(2) calls that do not return.

# TYPE fanotify_mark_calls_in_progress gauge
fanotify_mark_calls_in_progress{comm="fapolicyd"} 1
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily

from fanotify_exporter.collectors.bounds import BoundedGauge, Name
from fanotify_exporter.collectors.labels import PLAIN, Labelling
from fanotify_exporter.fsnotify.calls_in_progress import OngoingCall


class MarkCallsInProgressCollector:
    """Collector of the passes over threads inside fanotify_mark(2)."""

    def __init__(
        self,
        read: Callable[[], tuple[OngoingCall, ...] | None],
        labelling: Labelling = PLAIN,
    ) -> None:
        """
        Collect the calls that *read* returns: None before the first pass.

        Args:
            labelling: adds labels to the gauge.
        """
        self._read = read
        self._labelling = labelling

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Yield the family without series."""
        yield self._gauge().family()

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
        gauge = self._gauge()
        trusted: set[Name] = set()
        for each in calls:
            name = (each.comm, *self._labelling.values(each))
            gauge.add(name, 1)
            if each.privileged:
                trusted.add(name)
        yield gauge.family(trusted)

    def _gauge(self) -> BoundedGauge:
        return BoundedGauge(
            "fanotify_mark_calls_in_progress",
            "Threads that have been inside one fanotify_mark call for over 10 seconds.",
            ("comm",),
            self._labelling.names,
        )
