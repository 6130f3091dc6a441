"""Build the registry, in which a failing collector loses only its own families."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric

from fanotify_exporter.metrics.caching import OncePerScrape


log = logging.getLogger(__name__)


class Collector(Protocol):
    """The metric families of one subject, built anew for each scrape."""

    def describe(self) -> Iterable[Metric]:
        """Yield the families without series."""

    def collect(self) -> Iterable[Metric]:
        """
        Yield the families with their series.

        If this raises, the scrape has none of the collector's families.
        """


class IsolatedCollectors:
    """Several collectors as one. If one of them fails, the others still collect."""

    def __init__(
        self,
        collectors: Mapping[str, Collector],
        sources: Iterable[OncePerScrape[Any]] = (),
    ) -> None:
        """Wrap *collectors*, by name. Before and after a scrape, forget *sources*."""
        self._collectors = dict(collectors)
        self._sources = tuple(sources)
        self._failures = dict[str, type[Exception]]()

    def describe(self) -> Iterator[Metric]:
        """Yield the families of all collectors, then the families about collectors."""
        for collector in self._collectors.values():
            yield from collector.describe()
        yield from _scrape_families()

    def collect(self) -> Iterator[Metric]:
        """Yield the families of collectors that succeed, then families about all."""
        success, duration, size = _scrape_families()
        self._forget_readings()
        for name, collector in self._collectors.items():
            started = time.perf_counter()
            families = self._collect(name, collector)
            yield from families
            size.add_metric((name,), sum(map(_series, families)))
            success.add_metric((name,), name not in self._failures)
            duration.add_metric((name,), time.perf_counter() - started)
        self._forget_readings()
        yield from (success, duration, size)

    def _forget_readings(self) -> None:
        for source in self._sources:
            source.forget()

    def _collect(self, name: str, collector: Collector) -> list[Metric]:
        """Return the families, none after a failure. Log failures that are new."""
        extra = {"collector": name}
        try:
            families = list(collector.collect())
        except Exception as error:
            if self._failures.get(name) is not type(error):
                log.exception("collector failed", extra=extra)
            self._failures[name] = type(error)
            return []
        if self._failures.pop(name, None):
            log.info("collector works again", extra=extra)
        return families


def _series(family: Metric) -> int:
    """Return the number of series that *family* has in the text format."""
    return sum(not sample.name.endswith("_created") for sample in family.samples)


def _scrape_families() -> tuple[GaugeMetricFamily, ...]:
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


def build_registry(
    collectors: Mapping[str, Collector], sources: Iterable[OncePerScrape[Any]] = ()
) -> CollectorRegistry:
    """Return a registry of *collectors* and of the process_* metrics."""
    registry = CollectorRegistry(auto_describe=True)
    registry.register(IsolatedCollectors(collectors, sources))
    ProcessCollector(registry=registry)
    return registry
