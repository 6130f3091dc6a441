"""
Collector of the events of fanotify groups.

# TYPE fanotify_events_total counter
fanotify_events_total{comm="auditor",outcome="queued"} 4711
fanotify_events_total{comm="auditor",outcome="dropped"} 12
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from fanotify_exporter.bpf.event_samples import EventSnapshot, ListenerEvents
from fanotify_exporter.collectors.labels import PLAIN, Labelling
from fanotify_exporter.collectors.unchecked import unchecked_accesses
from fanotify_exporter.metrics.families import CounterFamily


class EventsCollector:
    """
    Collector of fanotify_events_total, and of accesses that a full queue let through.

    Only groups that a process with CAP_SYS_ADMIN made have the name of their listener,
    so the comms need no bound.
    """

    def __init__(
        self,
        read: Callable[[], EventSnapshot] | None,
        labelling: Labelling = PLAIN,
        *,
        created: bool = False,
    ) -> None:
        """
        Collect what *read* returns on each scrape.

        Args:
            read: returns what the programs counted; None if no program counts events
                here, and then the collector fails.
            labelling: drops labels, and adds labels to all families.
            created: whether the counters have ``_created`` samples.
        """
        self._read = read
        self._labelling = labelling
        self._created = created

    def describe(self) -> Iterator[CounterFamily]:
        """Yield the families without series."""
        yield from self._families((), 0.0)

    def collect(self) -> Iterator[CounterFamily]:
        """
        Yield the families with their series.

        Raises:
            RuntimeError: no program counts events. The collector is off by default, so
                an operator asked for these series.
        """
        if not self._read:
            raise RuntimeError(
                "no program counts events on this host: the log of the start says why"
            )
        snapshot = self._read()
        yield from self._families(snapshot.listeners, snapshot.counting_since)

    def _families(
        self, listeners: Iterable[ListenerEvents], since: float
    ) -> Iterator[CounterFamily]:
        labels, pick = self._labelling.select(("comm", "outcome"))
        events = CounterFamily(
            "fanotify_events",
            "Events of fanotify groups: queued, merged with a queued event, or dropped "
            "by a full queue.",
            labels,
            created=self._created,
        )
        unchecked, pick_reason = unchecked_accesses(
            self._labelling, created=self._created
        )
        for each in listeners:
            more = self._labelling.values(each)
            for outcome, count in each.outcomes.items():
                events.add(pick((each.comm, outcome, *more)), count, since)
            # A group of the class notification never lets an access through.
            if each.unchecked:
                values = pick_reason((each.comm, "queue_full", *more))
                unchecked.add(values, each.unchecked, since)
        yield from (events, unchecked)
