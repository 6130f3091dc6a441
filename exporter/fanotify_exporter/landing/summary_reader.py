"""Summarize scrapes for the landing page."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from fanotify_exporter.landing.family_index import FamilyIndex
from fanotify_exporter.landing.inotify_index import inotify_figures
from fanotify_exporter.landing.permission_index import permission_figures
from fanotify_exporter.landing.queues import queue_owners
from fanotify_exporter.landing.rates import RateTracker
from fanotify_exporter.landing.summary import Absence, Summary
from fanotify_exporter.metrics.families import Family


class SummaryReader:
    """Make summaries of scrapes, with rates since an earlier summary."""

    def __init__(
        self,
        absences: Mapping[str, Absence] | None = None,
        limitations: Mapping[str, str] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Start with no summary.

        Args:
            absences: collectors whose figures may be missing, and why.
            limitations: what parts of the exporter lack on this host.
            clock: returns the time in seconds.
        """
        self._absences = absences or {}
        self._limitations = limitations or {}
        self._rates = RateTracker(clock)

    def read(self, families: Iterable[Family]) -> Summary:
        """Return the summary of a scrape. Call from one thread at a time."""
        index = FamilyIndex(families)
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
            limitations=self._limitations,
            queues=queue_owners(index),
            calls_in_progress=index.calls_in_progress(),
            permission=permission_figures(index),
            inotify=inotify_figures(index),
        )
