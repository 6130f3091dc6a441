"""
Collector of the inotify instances and watches that exist now.

# TYPE inotify_watches gauge
inotify_watches{comm="kubelet"} 312
# TYPE inotify_user_watches gauge
inotify_user_watches{uid="0"} 4711
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily

from fanotify_exporter.collectors.bounds import BoundedGauge, Name
from fanotify_exporter.collectors.labels import PLAIN, Labelling
from fanotify_exporter.collectors.owners import (
    counts_by_user,
    is_trusted,
    name_of,
    trusted_uids,
)
from fanotify_exporter.fsnotify.model import GroupScan


class InotifyCollector:
    """Collector of the results of the background scan, as far as inotify goes."""

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
        yield from (gauge.family() for gauge in (*self._by_comm(), *_by_uid()))

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """
        Yield the families of the latest poll, none before the first.

        Names and users of privileged owners always have a series; of the others the
        largest have a series, and the rest are summed.
        """
        scan = self._read()
        if not scan:
            return
        instances, watches = self._by_comm()
        trusted: set[Name] = set()
        for owned in scan.instances:
            name = name_of(owned, self._labelling)
            if is_trusted(owned):
                trusted.add(name)
            instances.add(name, 1)
            watches.add(name, owned.watches)
        yield from (instances.family(trusted), watches.family(trusted))
        yield from _of_users(scan)

    def _by_comm(self) -> tuple[BoundedGauge, BoundedGauge]:
        more = self._labelling.names
        return (
            BoundedGauge(
                "inotify_instances",
                "inotify instances that exist now.",
                ("comm",),
                more,
            ),
            BoundedGauge(
                "inotify_watches", "inotify watches that exist now.", ("comm",), more
            ),
        )


def _by_uid() -> tuple[BoundedGauge, BoundedGauge]:
    return (
        BoundedGauge(
            "inotify_user_instances",
            "inotify instances that exist now, by user; inotify_user_instances_limit "
            "is the limit.",
            ("uid",),
        ),
        BoundedGauge(
            "inotify_user_watches",
            "inotify watches that exist now, by user; inotify_user_watches_limit is "
            "the limit.",
            ("uid",),
        ),
    )


def _of_users(scan: GroupScan) -> Iterator[GaugeMetricFamily]:
    """Yield the gauges by uid. Users of fanotify alone have no series."""
    instances, watches = _by_uid()
    for uid, counts in counts_by_user(scan).items():
        if counts.instances or counts.watches:
            instances.add((str(uid),), counts.instances)
            watches.add((str(uid),), counts.watches)
    trusted = trusted_uids(scan)
    yield from (instances.family(trusted), watches.family(trusted))
