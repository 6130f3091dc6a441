"""
Collector of the limits of fanotify and inotify, from /proc/sys/fs.

# TYPE fanotify_user_groups_limit gauge
fanotify_user_groups_limit 128
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily

from fanotify_exporter.procfs import PROC
from fanotify_exporter.procfs.sysctl import read_fs_limit


# Names and HELP texts of the families by file. Linux 5.13 added the files of fanotify,
# and 6.18 added watchdog_timeout.
LIMITS = {
    "fanotify/max_user_groups": (
        "fanotify_user_groups_limit",
        "fs.fanotify.max_user_groups: maximum number of fanotify groups of a user.",
    ),
    "fanotify/max_user_marks": (
        "fanotify_user_marks_limit",
        (
            "fs.fanotify.max_user_marks: maximum number of marks of a user, in groups "
            "without FAN_UNLIMITED_MARKS."
        ),
    ),
    "fanotify/max_queued_events": (
        "fanotify_queued_events_limit",
        (
            "fs.fanotify.max_queued_events: maximum length of the queue of a group "
            "without FAN_UNLIMITED_QUEUE."
        ),
    ),
    "fanotify/watchdog_timeout": (
        "fanotify_watchdog_timeout_seconds",
        (
            "fs.fanotify.watchdog_timeout: seconds until the kernel logs an unanswered "
            "permission event; 0 is off."
        ),
    ),
    "inotify/max_user_instances": (
        "inotify_user_instances_limit",
        (
            "fs.inotify.max_user_instances: maximum number of inotify instances of a "
            "user."
        ),
    ),
    "inotify/max_user_watches": (
        "inotify_user_watches_limit",
        "fs.inotify.max_user_watches: maximum number of inotify watches of a user.",
    ),
    "inotify/max_queued_events": (
        "inotify_queued_events_limit",
        (
            "fs.inotify.max_queued_events: maximum length of the queue of an inotify "
            "instance."
        ),
    ),
}


class LimitsCollector:
    """Collector of the limits. A family has no series if the kernel lacks its file."""

    def __init__(self, proc: Path = PROC) -> None:
        """Read the files below *proc* on each scrape."""
        self._proc = proc

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Yield the families without series."""
        for name, text in LIMITS.values():
            yield GaugeMetricFamily(name, text)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the families with the current limits."""
        for family, file in zip(self.describe(), LIMITS, strict=True):
            limit = read_fs_limit(file, self._proc)
            if limit is not None:
                family.add_metric((), limit)
            yield family
