"""
Collector of the mounts that the marks of programs cover.

# TYPE fanotify_mounts gauge
fanotify_mounts{comm="fapolicyd",fstype="ext4",marked="true"} 3
fanotify_mounts{comm="fapolicyd",fstype="ext4",marked="false"} 1
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily

from fanotify_exporter.fsnotify.model import GroupScan
from fanotify_exporter.fsnotify.mount_coverage import find_coverage
from fanotify_exporter.fsnotify.mount_table import MountTable
from fanotify_exporter.uapi.printable import printable_text


class MountCoverageCollector:
    """
    Collector of fanotify_mounts.

    The labels are not a stranger's: comms are those of programs with CAP_SYS_ADMIN,
    and the kernel names the types of filesystems.
    """

    def __init__(
        self,
        read: Callable[[], GroupScan | None],
        read_mounts: Callable[[], MountTable | None],
    ) -> None:
        """
        Collect what *read* and *read_mounts* return on each scrape.

        Args:
            read: returns the latest scan for groups, None before the first.
            read_mounts: returns the mounts of the host, None before the first scan.
        """
        self._read = read
        self._read_mounts = read_mounts

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Yield the family without series."""
        yield GaugeMetricFamily(
            "fanotify_mounts",
            "Mounts of the host, for each program with mount or filesystem marks, that "
            "the marks cover (marked is true) or do not; of a program that blocks, the "
            "blocking marks.",
            labels=("comm", "fstype", "marked"),
        )

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """
        Yield the family, nothing before the first scans.

        A program has two series for each type of filesystem that the host has.

        Raises:
            RuntimeError: the latest scan of groups or mounts failed or hangs.
        """
        scan, table = self._read(), self._read_mounts()
        if not (scan and table):
            return
        (family,) = self.describe()
        for each in find_coverage(scan.groups, table):
            marked = Counter(table.mounts[one].fstype for one in each.covered)
            for fstype, number in sorted(table.fstypes.items()):
                labels = each.comm, printable_text(fstype)
                family.add_metric((*labels, "true"), marked[fstype])
                family.add_metric((*labels, "false"), number - marked[fstype])
        yield family
