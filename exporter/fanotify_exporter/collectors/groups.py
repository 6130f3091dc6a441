"""
Collector of the fanotify groups, marks and queues that exist now.

# TYPE fanotify_marks gauge
fanotify_marks{comm="fapolicyd",mark_type="mount",blocking="true"} 9
# TYPE fanotify_queue_fill_ratio gauge
fanotify_queue_fill_ratio{comm="fapolicyd"} 0.25
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily

from fanotify_exporter.collectors.bounds import BoundedGauge
from fanotify_exporter.collectors.labels import PLAIN, Labelling
from fanotify_exporter.collectors.owners import (
    counts_by_user,
    is_trusted,
    name_of,
    trusted_uids,
)
from fanotify_exporter.fsnotify.model import GroupScan, OwnedGroup, Queue
from fanotify_exporter.uapi.fanotify import init_class


class GroupsCollector:
    """Collector of the results of the background scan, as far as fanotify goes."""

    def __init__(
        self, read: Callable[[], GroupScan | None], labelling: Labelling = PLAIN
    ) -> None:
        """
        Collect the scan that *read* returns: None before the first poll.

        Args:
            labelling: adds labels to the gauges by comm.
        """
        self._read = read
        self._labelling = labelling

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Yield the families without series."""
        yield from self._of_owners(()).families()
        yield from (gauge.family() for gauge in _user_gauges())
        yield from _scan_families()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """
        Yield the families of the latest poll, none before the first.

        The time of the last full scan is missing until one has ended. Gauges of queues
        have no series if the scan cannot see queues.

        Names and users of privileged owners, and of groups that can block, always have
        a series; of the others the largest have a series, and the rest are summed.
        """
        scan = self._read()
        if not scan:
            return
        yield from self._of_owners(scan.groups).families()
        yield from _of_users(scan)
        unreadable, left_out, scanned = _scan_families()
        unreadable.add_metric((), scan.unreadable)
        left_out.add_metric((), scan.left_out)
        if scan.scanned:
            scanned.add_metric((), scan.scanned)
        yield from (unreadable, left_out, scanned)

    def _of_owners(self, groups: tuple[OwnedGroup, ...]) -> _OwnerGauges:
        gauges = _OwnerGauges(self._labelling)
        for group in groups:
            gauges.add(group)
        return gauges


class _OwnerGauges:
    """The gauges by comm."""

    def __init__(self, labelling: Labelling) -> None:
        """Start without groups."""
        more = labelling.names
        self._labelling = labelling
        self._trusted: set[tuple[str, ...]] = set()
        self._groups = BoundedGauge(
            "fanotify_groups", "fanotify groups that exist now.", ("comm",), more
        )
        self._marks = BoundedGauge(
            "fanotify_marks",
            "Marks that exist now; blocking is true for marks with permission events.",
            ("comm", "mark_type", "blocking"),
            more,
        )
        self._length = BoundedGauge(
            "fanotify_queue_length",
            "Events in the queues of groups that the program has not read.",
            ("comm",),
            more,
        )
        self._fill_ratio = BoundedGauge(
            "fanotify_queue_fill_ratio",
            "Length of the fullest group's queue, as a share of its limit; 0 for "
            "groups made with FAN_UNLIMITED_QUEUE.",
            ("comm",),
            more,
            combine=max,
        )
        self._overflow_pending = BoundedGauge(
            "fanotify_queue_overflow_pending",
            "Groups in which the kernel has dropped events since the program last read "
            "the whole queue.",
            ("comm",),
            more,
        )
        self._unanswered = BoundedGauge(
            "fanotify_unanswered_events",
            "Permission events that the listener has read and not answered.",
            ("comm", "class"),
            more,
        )

    def add(self, owned: OwnedGroup) -> None:
        """Add a group."""
        name = name_of(owned, self._labelling)
        if is_trusted(owned):
            self._trusted.add(name)
        self._groups.add(name, 1)
        for each in owned.group.marks:
            blocking = "true" if each.blocking else "false"
            self._marks.add(name, each.count, each.mark_type, blocking)
        queue = owned.queue
        if queue:
            self._length.add(name, queue.length)
            self._fill_ratio.add(name, _fill_ratio(queue))
            self._overflow_pending.add(name, queue.overflowed)
            if owned.group.can_block:
                group_class = init_class(owned.group.flags)
                self._unanswered.add(name, queue.unanswered, group_class)

    def families(self) -> Iterator[GaugeMetricFamily]:
        """Yield the families of the groups that were added."""
        for gauge in (
            self._groups,
            self._marks,
            self._length,
            self._fill_ratio,
            self._overflow_pending,
            self._unanswered,
        ):
            yield gauge.family(self._trusted)


def _fill_ratio(queue: Queue) -> float:
    """Return the length as a share of the limit. With limit 0 a queue is full."""
    if queue.limit is None:
        return 0.0
    return queue.length / queue.limit if queue.limit else 1.0


def _user_gauges() -> tuple[BoundedGauge, BoundedGauge]:
    return (
        BoundedGauge(
            "fanotify_user_groups",
            "Groups that exist now, by user; fanotify_user_groups_limit is the limit.",
            ("uid",),
        ),
        BoundedGauge(
            "fanotify_user_marks",
            "Marks that exist now, by user, without the marks of groups made with "
            "FAN_UNLIMITED_MARKS; fanotify_user_marks_limit is the limit.",
            ("uid",),
        ),
    )


def _of_users(scan: GroupScan) -> Iterator[GaugeMetricFamily]:
    """Yield the gauges by uid. Users of inotify alone have no series."""
    groups, marks = _user_gauges()
    for uid, counts in counts_by_user(scan).items():
        if counts.groups or counts.marks:
            groups.add((str(uid),), counts.groups)
            marks.add((str(uid),), counts.marks)
    trusted = trusted_uids(scan)
    yield from (groups.family(trusted), marks.family(trusted))


def _scan_families() -> tuple[GaugeMetricFamily, GaugeMetricFamily, GaugeMetricFamily]:
    return (
        GaugeMetricFamily(
            "fanotify_exporter_groups_unreadable_processes",
            "Processes that could not be inspected; groups and inotify instances only "
            "they hold are not counted.",
        ),
        GaugeMetricFamily(
            "fanotify_exporter_groups_descriptors_left_out",
            "Descriptors above the bounds of a scan; groups and inotify instances only "
            "they refer to are not counted.",
        ),
        GaugeMetricFamily(
            "fanotify_exporter_groups_last_scan_timestamp_seconds",
            "Unix time of the last full scan for groups and inotify instances.",
        ),
    )
