"""Gauges of the inotify instances and watches that a scan found."""

from __future__ import annotations

from dataclasses import replace

from fanotify_exporter.collectors.inotify import InotifyCollector
from fanotify_exporter.collectors.labels import PLAIN, Labelling
from fanotify_exporter.fsnotify.model import GroupScan, InotifyInstance, UserCounts
from tools.harness.golden import SCAN


Samples = dict[tuple[str, ...], float]


def collect(scan: GroupScan | None, labelling: Labelling = PLAIN) -> dict[str, Samples]:
    return {
        family.name: {
            tuple(sample.labels.values()): sample.value for sample in family.samples
        }
        for family in InotifyCollector(lambda: scan, labelling).collect()
    }


def test_families() -> None:
    """Instances and watches by comm and by effective user. fanotify has no part."""
    assert {
        "inotify_instances": {("systemd",): 2, ("code",): 1, ("tail",): 1},
        "inotify_watches": {("systemd",): 15, ("code",): 41_000, ("tail",): 1},
        "inotify_user_instances": {("0",): 2, ("1000",): 2},
        "inotify_user_watches": {("0",): 15, ("1000",): 41_001},
    } == collect(SCAN)


def test_counts_of_the_kernel() -> None:
    """The kernel's counts by user stand for sums; users of fanotify have no series."""
    users = {
        0: UserCounts(groups=7, marks=80, instances=0, watches=0),
        1000: UserCounts(groups=0, marks=0, instances=3, watches=0),
    }
    families = collect(replace(SCAN, users=users))
    assert {("1000",): 3} == families["inotify_user_instances"]
    assert {("1000",): 0} == families["inotify_user_watches"]


def test_crowd() -> None:
    """
    8,192 instances, each under a name and a user of its own, cost 101 series a family.

    The privileged owner with the smallest numbers has a series of its own, and the sums
    stay exact.
    """
    crowd = [InotifyInstance(f"u{n}", 1000 + n, n) for n in range(8192)]
    root = InotifyInstance("systemd", 0, 0, privileged=True)
    families = collect(GroupScan((), 0, 5.0, instances=(*crowd, root)))
    assert [102] * 4 == [len(samples) for samples in families.values()]
    sums = [sum(samples.values()) for samples in families.values()]
    assert [8193, sum(range(8192))] * 2 == sums
    assert 0 == families["inotify_watches"]["systemd",]
    assert 8191 == families["inotify_watches"]["u8191",]
    assert sum(range(8092)) == families["inotify_user_watches"]["[other: too many]",]


def test_crowd_of_cgroups() -> None:
    """
    With container labels, the bound is on combinations of name and cgroup.

    Owners whose cgroup is unknown have empty labels.
    """
    labelling = Labelling(
        container=lambda cgroup: (f"/{cgroup}", "f" * 64) if cgroup else ("", "")
    )
    crowd = [InotifyInstance("u", 1000, 1, cgroup=n) for n in range(300)]
    root = InotifyInstance("u", 0, 5, privileged=True)
    families = collect(GroupScan((), 0, 5.0, instances=(*crowd, root)), labelling)
    watches = families["inotify_watches"]
    assert 102 == len(watches) == len(families["inotify_instances"])
    assert 6 == watches["u", "", ""]
    assert 299 - 100 == watches["[other: too many]", "", ""]
    assert {("0",): 5, ("1000",): 300} == families["inotify_user_watches"]


def test_before_the_first_scan() -> None:
    """Before the first scan there is no series."""
    assert {} == collect(None)
