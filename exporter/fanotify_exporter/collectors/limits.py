"""
Collector of fanotify's limits, from /proc/sys/fs/fanotify.

# TYPE fanotify_limit_user_groups gauge
fanotify_limit_user_groups 128
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily

from fanotify_exporter.procfs import PROC
from fanotify_exporter.procfs.sysctl import read_fanotify_limit


LIMITS = {
    "max_user_groups": (
        "fanotify_limit_user_groups",
        "Groups that a user may have.",
    ),
    "max_user_marks": (
        "fanotify_limit_user_marks",
        "Marks that a user may have in groups without FAN_UNLIMITED_MARKS.",
    ),
    "max_queued_events": (
        "fanotify_limit_queued_events",
        "Events that may wait in a group without FAN_UNLIMITED_QUEUE.",
    ),
    "watchdog_timeout": (
        "fanotify_watchdog_timeout_seconds",
        "How long a permission event may wait before the kernel logs it; 0: never.",
    ),
}
"""Families by their file: since Linux 5.13, the watchdog since 6.18."""


class LimitsCollector:
    """The fanotify_limit_* families; a family is empty if its file is absent."""

    def __init__(self, proc: Path = PROC) -> None:
        """Read below *proc* on each scrape."""
        self._proc = proc

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Yield the families without series."""
        for name, text in LIMITS.values():
            yield GaugeMetricFamily(name, text)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the families as they are now."""
        for family, file in zip(self.describe(), LIMITS, strict=True):
            limit = read_fanotify_limit(file, self._proc)
            if limit is not None:
                family.add_metric((), limit)
            yield family
