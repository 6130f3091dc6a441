"""
Collector of the waits for the answers of permission listeners.

# TYPE fanotify_permission_waits_total counter
fanotify_permission_waits_total{comm="fapolicyd",class="content",end="answered"} 4711
# TYPE fanotify_permission_oldest_wait_seconds gauge
fanotify_permission_oldest_wait_seconds{comm="fapolicyd",class="content"} 240.5
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily

from fanotify_exporter.bpf.permission_samples import (
    ENDS,
    WAIT_BUCKETS,
    ListenerTotals,
    PermissionSnapshot,
)
from fanotify_exporter.collectors.labels import PLAIN, Labelling, Picker
from fanotify_exporter.collectors.unchecked import unchecked_accesses
from fanotify_exporter.fsnotify.deadlocks import listener_waits
from fanotify_exporter.fsnotify.waits import PermissionGroup, WaitScan
from fanotify_exporter.metrics.families import (
    CounterFamily,
    Family,
    HistogramFamily,
    IncompleteError,
)


# Answers that every listener may give, by response and errno: exported from the start.
USUAL_RESPONSES = {("allow", ""): 0, ("deny", "EPERM"): 0}


class PermissionCollector:
    """
    Collector of fanotify_permission_*, and of accesses that closed listeners let pass.

    Only a process with CAP_SYS_ADMIN in the initial user namespace can make a group
    that others wait for, so the comms need no bound.
    """

    def __init__(
        self,
        read: Callable[[], PermissionSnapshot] | None,
        latest: Callable[[], WaitScan | None],
        labelling: Labelling = PLAIN,
        *,
        created: bool = False,
    ) -> None:
        """
        Collect what *read* and *latest* return on each scrape.

        Args:
            read: returns what the programs counted; None if no program counts.
            latest: returns the latest pass over the waiting tasks, None before the
                first.
            labelling: drops labels of the counters, and adds labels to all families.
            created: whether the counters have ``_created`` samples.
        """
        self._read = read
        self._latest = latest
        self._labelling = labelling
        self._created = created

    def describe(self) -> Iterator[Family]:
        """Yield the families without series."""
        yield from self._counters((), 0.0)
        yield from self._gauges()

    def collect(self) -> Iterator[Family]:
        """
        Yield the families with their series.

        Without programs there are no counters, and without a pass no gauges.

        The counters of a listener that exists start at 0, so that increase() sees the
        first wait.

        Raises:
            IncompleteError: the latest pass failed; the error has the counters.
        """
        try:
            scan = self._latest()
        except RuntimeError as error:
            raise IncompleteError(str(error), self._counted(None)) from error
        yield from self._counted(scan)
        if scan:
            yield from self._measured(scan)

    def _counted(
        self, scan: WaitScan | None
    ) -> Iterator[CounterFamily | HistogramFamily]:
        """Yield the counters, with the listeners of *scan*."""
        if self._read:
            snapshot = self._read()
            known = map(_no_waits, scan.groups) if scan else ()
            totals = *snapshot.totals, *known
            yield from self._counters(totals, snapshot.counting_since)

    def _counters(
        self, totals: Iterable[ListenerTotals], since: float
    ) -> Iterator[CounterFamily | HistogramFamily]:
        seconds, pick_class = self._wait_seconds()
        waits, pick_end = self._counter(
            "fanotify_permission_waits",
            "Waits for a listener's answer that ended, by how they ended.",
            ("comm", "class", "end"),
        )
        responses, pick_response = self._counter(
            "fanotify_permission_responses",
            "Answers of listeners that the kernel accepted. A denied access fails with "
            "errno.",
            ("comm", "response", "errno"),
        )
        unchecked, pick_reason = unchecked_accesses(
            self._labelling, created=self._created
        )
        for each in totals:
            comm, group_class = each.comm, each.group_class
            more = self._labelling.values(each)
            labels = pick_class((comm, group_class, *more))
            seconds.add(labels, each.buckets, each.seconds, since)
            for end, count in each.ends.items():
                waits.add(pick_end((comm, group_class, end, *more)), count, since)
            for response, count in (USUAL_RESPONSES | dict(each.responses)).items():
                responses.add(pick_response((comm, *response, *more)), count, since)
            labels = pick_reason((comm, "listener_closed", *more))
            unchecked.add(labels, each.unchecked, since)
        yield from (seconds, waits, responses, unchecked)

    def _wait_seconds(self) -> tuple[HistogramFamily, Picker]:
        labels, pick = self._labelling.select(("comm", "class"))
        family = HistogramFamily(
            "fanotify_permission_wait_seconds",
            "Time that tasks waited for a listener's answer, however the wait ended.",
            labels,
            WAIT_BUCKETS,
            created=self._created,
        )
        return family, pick

    def _counter(
        self, name: str, text: str, labels: tuple[str, ...]
    ) -> tuple[CounterFamily, Picker]:
        kept, pick = self._labelling.select(labels)
        return CounterFamily(name, text, kept, created=self._created), pick

    def _gauges(self) -> tuple[GaugeMetricFamily, ...]:
        more = self._labelling.names
        return (
            GaugeMetricFamily(
                "fanotify_permission_waiting_tasks",
                "Tasks that wait for a listener's answer now.",
                labels=("comm", "class", *more),
            ),
            GaugeMetricFamily(
                "fanotify_permission_oldest_wait_seconds",
                "Seconds since the task that waits longest began to wait; 0 if no task "
                "waits.",
                labels=("comm", "class", *more),
            ),
            GaugeMetricFamily(
                "fanotify_permission_listener_waits",
                "Listeners that wait for the answer of a listener now, which may be "
                "their own.",
                labels=("comm", "on", *more),
            ),
            GaugeMetricFamily(
                "fanotify_permission_deadlocked_listeners",
                "Listeners that wait for each other or for themselves, and do not "
                "answer.",
            ),
            GaugeMetricFamily(
                "fanotify_exporter_waits_last_pass_timestamp_seconds",
                "Unix time at which the last pass over the waiting tasks began.",
            ),
        )

    def _measured(self, scan: WaitScan) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges. A scan that guesses groups says nothing about deadlocks."""
        tasks, oldest, edges, deadlocked, passed = self._gauges()
        for labels, (count, age) in self._waiting(scan).items():
            tasks.add_metric(labels, count)
            oldest.add_metric(labels, age)
        for labels, listeners in self._listener_waits(scan).items():
            edges.add_metric(labels, len(listeners))
        if scan.is_exact:
            deadlocked.add_metric((), len(scan.deadlocked))
        passed.add_metric((), scan.unix_time)
        yield from (tasks, oldest, edges, deadlocked, passed)

    def _waiting(self, scan: WaitScan) -> dict[tuple[str, ...], tuple[int, float]]:
        """Return the number of waiting tasks and the age of the oldest, by labels."""
        found = defaultdict[tuple[str, ...], tuple[int, float]](lambda: (0, 0.0))

        def add(labels: tuple[str, ...], count: int, since: float | None) -> None:
            tasks, age = found[labels]
            waited = scan.scanned - (scan.scanned if since is None else since)
            found[labels] = tasks + count, max(age, waited)

        for group in scan.groups:
            labels = group.comm, group.group_class, *self._labelling.values(group)
            add(labels, group.waiting, group.oldest_since)
        unknown = (
            _common(group.comm for group in scan.groups),
            _common(group.group_class for group in scan.groups),
            *[""] * len(self._labelling.names),
        )
        addresses = {group.address for group in scan.groups}
        for waiter in scan.waiters:
            if waiter.group not in addresses:
                add(unknown, 1, waiter.since)
        return found

    def _listener_waits(self, scan: WaitScan) -> dict[tuple[str, ...], set[int]]:
        """Return the addresses of the groups whose listener waits, by labels."""
        found = defaultdict[tuple[str, ...], set[int]](set)
        for wait in listener_waits(scan):
            more = self._labelling.values(wait.group)
            found[wait.group.comm, wait.on.comm, *more].add(wait.group.address)
        return found


def _no_waits(group: PermissionGroup) -> ListenerTotals:
    """Return the totals of a listener for which no task has waited."""
    return ListenerTotals(
        group.comm,
        group.group_class,
        ends=dict.fromkeys(ENDS, 0),
        buckets=(0,) * (len(WAIT_BUCKETS) + 1),
        seconds=0.0,
        responses={},
        cgroup=group.cgroup,
    )


def _common(values: Iterable[str]) -> str:
    """Return the value if all *values* are the same, else ""."""
    different = set(values)
    return different.pop() if len(different) == 1 else ""
