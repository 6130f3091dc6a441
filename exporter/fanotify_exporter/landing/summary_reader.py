"""Collect the registry once and summarize the scrape for the landing page."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import Metric

from fanotify_exporter.landing.family_index import FamilyIndex
from fanotify_exporter.landing.rates import RateTracker
from fanotify_exporter.landing.summary import Absence, Summary


class SummaryReader:
    """Make summaries of one registry, with rates since an earlier summary."""

    def __init__(
        self,
        collect: Callable[[], Iterable[Metric]],
        absences: Mapping[str, Absence] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Read metric families from *collect*, without calling it yet.

        Args:
            absences: collectors whose figures may be missing, and why.
            clock: returns the time in seconds.
        """
        self._collect = collect
        self._absences = absences or {}
        self._rates = RateTracker(clock)

    def read(self) -> Summary:
        """Collect once and return the summary. Call from one thread at a time."""
        index = FamilyIndex(self._collect())
        counts = index.counts()
        per_second, seconds = self._rates.update(counts, index.age(time.time()))
        limits = index.limits()
        return Summary(
            families=frozenset(index.families),
            collectors=index.collectors(),
            build=index.build(),
            probes=index.probes(),
            seconds=seconds,
            callers=index.callers(counts, per_second),
            owners=index.owners(),
            unreadable=index.unreadable(),
            users=index.users(limits),
            limits=limits,
            maps=index.maps(),
            lost=index.lost(),
            absences=self._absences,
        )
