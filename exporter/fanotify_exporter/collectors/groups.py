"""
Collector of the fanotify groups and marks that exist now.

# TYPE fanotify_marks gauge
fanotify_marks{comm="fapolicyd",mark_type="mount",blocking="true"} 9
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily

from fanotify_exporter.collectors.bounds import bound_names
from fanotify_exporter.fsnotify.model import GroupScan


class GroupsCollector:
    """Collector of the results of the background scan for groups."""

    def __init__(self, read: Callable[[], GroupScan | None]) -> None:
        """Collect the scan that *read* returns: None before the first poll."""
        self._read = read

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Yield the families without series."""
        yield GaugeMetricFamily(
            "fanotify_groups",
            "fanotify groups that exist now.",
            labels=("comm",),
        )
        yield GaugeMetricFamily(
            "fanotify_marks",
            "Marks that exist now; blocking is true for marks with permission events.",
            labels=("comm", "mark_type", "blocking"),
        )
        yield GaugeMetricFamily(
            "fanotify_user_groups",
            "Groups that exist now, by user; fanotify_user_groups_limit is the limit.",
            labels=("uid",),
        )
        yield GaugeMetricFamily(
            "fanotify_user_marks",
            "Marks that exist now, by user, without the marks of groups made with "
            "FAN_UNLIMITED_MARKS; fanotify_user_marks_limit is the limit.",
            labels=("uid",),
        )
        yield GaugeMetricFamily(
            "fanotify_exporter_groups_unreadable_processes",
            "Processes that could not be inspected; groups only they hold are not "
            "counted.",
        )
        yield GaugeMetricFamily(
            "fanotify_exporter_groups_descriptors_left_out",
            "Descriptors above the bounds of a scan; groups only they refer to are not "
            "counted.",
        )
        yield GaugeMetricFamily(
            "fanotify_exporter_groups_last_scan_timestamp_seconds",
            "Unix time of the last full scan of /proc.",
        )

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """
        Yield the families of the latest poll, none before the first.

        The time of the last full scan is missing until one has ended.

        Names and users of privileged owners, and of groups that can block, always have
        a series; of the others the largest have a series, and the rest are summed.
        """
        scan = self._read()
        if not scan:
            return
        counts = [Counter[tuple[str, ...]]() for _ in range(4)]
        groups, marks, user_groups, user_marks = counts
        for held in scan.groups:
            groups[held.comm,] += 1
            user_groups[str(held.uid),] += 1
            for each in held.group.marks:
                blocking = "true" if each.blocking else "false"
                marks[held.comm, each.mark_type, blocking] += each.count
            user_marks[str(held.uid),] += held.group.limited_marks
        trusted = [
            held for held in scan.groups if held.privileged or held.group.can_block
        ]
        comms = {held.comm for held in trusted}
        uids = {str(held.uid) for held in trusted}
        *families, unreadable, left_out, scanned = self.describe()
        always = (comms, comms, uids, uids)
        for family, count, names in zip(families, counts, always, strict=True):
            for labels, number in bound_names(count, names).items():
                family.add_metric(labels, number)
        unreadable.add_metric((), scan.unreadable)
        left_out.add_metric((), scan.left_out)
        if scan.scanned:
            scanned.add_metric((), scan.scanned)
        yield from (*families, unreadable, left_out, scanned)
