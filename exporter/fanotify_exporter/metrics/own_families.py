"""The families that every registry has: about the process and about the collectors."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import ProcessCollector
from prometheus_client.core import GaugeMetricFamily

from fanotify_exporter.metrics.families import Family


class Process:
    """Collector of the process_* metrics, as all Prometheus clients have them."""

    def __init__(self) -> None:
        """Read /proc/self."""
        self._collector = ProcessCollector(registry=None)

    def describe(self) -> Iterable[Family]:
        """Return the families."""
        return self._collector.collect()

    def collect(self) -> Iterable[Family]:
        """Return the families with their values."""
        return self._collector.collect()


def about_collectors() -> tuple[GaugeMetricFamily, ...]:
    """Return the families about collectors, without series."""
    return (
        GaugeMetricFamily(
            "fanotify_exporter_collector_success",
            "1 if the collector succeeded in this scrape, 0 if it failed.",
            labels=("collector",),
        ),
        GaugeMetricFamily(
            "fanotify_exporter_collector_duration_seconds",
            "Seconds that the collector took in this scrape.",
            labels=("collector",),
        ),
        GaugeMetricFamily(
            "fanotify_exporter_collector_series",
            "Number of series that the collector returned in this scrape.",
            labels=("collector",),
        ),
    )
