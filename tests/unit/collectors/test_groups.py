"""Gauges of the groups and marks that a scan found."""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

from fanotify_exporter.collectors.groups import GroupsCollector
from fanotify_exporter.collectors.labels import PLAIN, Labelling
from fanotify_exporter.fsnotify.model import (
    Group,
    GroupScan,
    InotifyInstance,
    Marks,
    OwnedGroup,
    Queue,
    UserCounts,
)
from fanotify_exporter.metrics.registry import Registry
from tools.harness.exposition import sample_value
from tools.harness.golden import SCAN


Samples = dict[tuple[str, ...], float]

CONTENT = 0x4
QUEUES = {
    "fanotify_queue_length",
    "fanotify_queue_fill_ratio",
    "fanotify_queue_overflow_pending",
    "fanotify_unanswered_events",
}


def collect(scan: GroupScan | None, labelling: Labelling = PLAIN) -> dict[str, Samples]:
    return {
        family.name: {
            tuple(sample.labels.values()): sample.value for sample in family.samples
        }
        for family in GroupsCollector(lambda: scan, labelling).collect()
    }


def series(families: dict[str, Samples]) -> int:
    return sum(map(len, families.values()))


def test_families() -> None:
    """Groups, marks and queues by comm and by user; no user has unlimited marks."""
    assert {
        "fanotify_groups": {
            ("fapolicyd",): 1,
            ("fatrace",): 2,
            ("edr",): 1,
            ("idle",): 1,
        },
        "fanotify_marks": {
            ("fapolicyd", "mount", "true"): 9,
            ("fapolicyd", "inode", "false"): 2,
            ("fatrace", "filesystem", "false"): 7,
            ("edr", "inode", "true"): 90_000,
        },
        "fanotify_queue_length": {
            ("fapolicyd",): 4096,
            ("fatrace",): 16_484,
            ("edr",): 20_000,
            ("idle",): 0,
        },
        "fanotify_queue_fill_ratio": {
            ("fapolicyd",): 0.25,
            ("fatrace",): 1,
            ("edr",): 0,
            ("idle",): 0,
        },
        "fanotify_queue_overflow_pending": {
            ("fapolicyd",): 0,
            ("fatrace",): 1,
            ("edr",): 0,
            ("idle",): 0,
        },
        "fanotify_unanswered_events": {
            ("fapolicyd", "content"): 3,
            ("edr", "pre_content"): 1,
        },
        "fanotify_user_groups": {("994",): 1, ("0",): 3, ("1000",): 1},
        "fanotify_user_marks": {("994",): 11, ("0",): 7, ("1000",): 0},
        "fanotify_exporter_groups_unreadable_processes": {(): 3},
        "fanotify_exporter_groups_descriptors_left_out": {(): 12},
        "fanotify_exporter_groups_last_scan_timestamp_seconds": {(): 1_750_000_000.5},
    } == collect(SCAN)


def test_crowd_of_users() -> None:
    """
    A crowd of ordinary users costs 101 series a family, and the sums stay exact.

    A small privileged owner keeps its series however large the others are. So does a
    listener that gave up its privileges after it had made a group that can block.
    """
    group = Group(0, (Marks("inode", blocking=False, count=3),))
    crowd = [OwnedGroup(f"u{n}", 1000 + n, group) for n in range(300)]
    large = OwnedGroup("zz", 5000, Group(0, (Marks("inode", blocking=False, count=9),)))
    root = OwnedGroup("zzz", 0, Group(0, ()), privileged=True)
    listener = OwnedGroup("zzzz", 9, Group(CONTENT, ()))
    families = collect(GroupScan((*crowd, large, root, listener), 0, 5.0))
    four = [
        families[f"fanotify_{name}"]
        for name in ("groups", "marks", "user_groups", "user_marks")
    ]
    comms, marks, uids, user_marks = four
    assert [103, 101, 103, 103] == [*map(len, four)]
    assert [303, 909] * 2 == [sum(each.values()) for each in four]
    assert 1 == comms["zzz",] == uids["0",] == comms["zzzz",] == uids["9",]
    assert 9 == marks["zz", "inode", "false"] == user_marks["5000",]
    rest = ("[other: too many]", "inode", "false")
    assert 3 * 201 == marks[rest] == user_marks[rest[:1]]


def test_crowd_of_names_with_queues() -> None:
    """
    128 groups of a user, each under a name of its own, cost 101 series a family.

    Of the ratios the rest has the largest, of the other families the sum.
    """
    marks = (Marks("inode", blocking=False, count=1),)
    crowd = [
        OwnedGroup(
            f"u{n:03}", 1000, Group(0, marks), queue=Queue(n, 256, overflowed=n < 20)
        )
        for n in range(128)
    ]
    families = collect(GroupScan(tuple(crowd), 0, 5.0))
    rest = ("[other: too many]",)
    assert sum(range(28)) == families["fanotify_queue_length"][rest]
    assert 27 / 256 == families["fanotify_queue_fill_ratio"][rest]
    assert 127 / 256 == families["fanotify_queue_fill_ratio"]["u127",]
    assert 20 == sum(families["fanotify_queue_overflow_pending"].values())
    assert {} == families["fanotify_unanswered_events"]
    of_names = 5 * 101
    of_the_user_and_the_scan = 2 + 3
    assert of_names + of_the_user_and_the_scan == series(families)


def test_crowd_of_mark_types() -> None:
    """Types of marks make no more series: since Linux 6.16 a user can have several."""
    marks = tuple(
        Marks(mark_type, blocking=False, count=1)
        for mark_type in ("inode", "mount", "filesystem")
    )
    crowd = [OwnedGroup(f"u{n}", 1000, Group(0, marks)) for n in range(128)]
    samples = collect(GroupScan(tuple(crowd), 0, 5.0))["fanotify_marks"]
    assert 103 == len(samples)
    assert 3 * 128 == sum(samples.values())


def test_scan_without_queues() -> None:
    """A scan that cannot see queues shows no queue, and above all no empty one."""
    groups = tuple(replace(held, queue=None) for held in SCAN.groups)
    families = collect(replace(SCAN, groups=groups))
    assert QUEUES <= families.keys()
    assert {} == {name: families[name] for name in QUEUES if families[name]}
    assert 2 == families["fanotify_groups"]["fatrace",]


def test_limit_of_a_queue() -> None:
    """A queue whose limit is 0 is full: the kernel drops each event."""
    owned = OwnedGroup("a", 0, Group(0, ()), queue=Queue(0, 0))
    ratio = collect(GroupScan((owned,), 0, 5.0))["fanotify_queue_fill_ratio"]
    assert {("a",): 1} == ratio


def test_counts_of_the_kernel() -> None:
    """The kernel's counts by user stand for sums; users of inotify have no series."""
    users = {
        0: UserCounts(groups=7, marks=80, instances=1, watches=1),
        1000: UserCounts(groups=0, marks=0, instances=5, watches=6),
    }
    families = collect(replace(SCAN, users=users))
    assert {("0",): 7} == families["fanotify_user_groups"]
    assert {("0",): 80} == families["fanotify_user_marks"]


def test_privileged_users_of_the_kernel() -> None:
    """In a crowd of users with larger counts, a privileged owner's user stays."""
    users = {n: UserCounts(9, 9, 9, 9) for n in range(1000, 1200)}
    users[0] = UserCounts(groups=1, marks=1, instances=1, watches=1)
    instances = (InotifyInstance("systemd", 0, 1, privileged=True),)
    scan = GroupScan((), 0, 5.0, instances=instances, users=users)
    groups = collect(scan)["fanotify_user_groups"]
    assert 102 == len(groups)
    assert 1 == groups["0",]
    assert 9 * 100 == groups["[other: too many]",]


def test_cgroups() -> None:
    """With container labels, a cgroup of an owner has series of its own."""
    labelling = Labelling(
        container=lambda cgroup: (f"/{cgroup}", "f" * 64) if cgroup else ("", "")
    )
    group = Group(CONTENT, (Marks("mount", blocking=True, count=2),))
    owned = OwnedGroup("av", 0, group, queue=Queue(1, 4, unanswered=1), cgroup=7)
    scan = GroupScan((owned, owned, replace(owned, cgroup=0)), 0, 5.0)
    families = collect(scan, labelling)
    inside, outside = ("/7", "f" * 64), ("", "")
    assert {("av", *inside): 2, ("av", *outside): 1} == families["fanotify_groups"]
    assert {
        ("av", "mount", "true", *inside): 4,
        ("av", "mount", "true", *outside): 2,
    } == families["fanotify_marks"]
    assert {
        ("av", "content", *inside): 2,
        ("av", "content", *outside): 1,
    } == families["fanotify_unanswered_events"]
    assert {("0",): 3} == families["fanotify_user_groups"]


def test_crowd_of_cgroups() -> None:
    """Cgroups of a user are bounded too, also under the name of a trusted owner."""
    labelling = Labelling(container=lambda cgroup: (f"/{cgroup}", ""))
    group = Group(0, ())
    crowd = [OwnedGroup("systemd", 1000, group, cgroup=n) for n in range(2, 300)]
    root = OwnedGroup("systemd", 0, group, privileged=True, cgroup=1)
    groups = collect(GroupScan((*crowd, root), 0, 5.0), labelling)["fanotify_groups"]
    assert 102 == len(groups)
    assert 1 == groups["systemd", "/1", ""]
    assert 198 == groups["[other: too many]", "", ""]


def test_host_without_groups() -> None:
    """Without groups only the families about the scan have series."""
    families = collect(GroupScan((), 0, 5.0))
    assert {
        "fanotify_exporter_groups_unreadable_processes": {(): 0},
        "fanotify_exporter_groups_descriptors_left_out": {(): 0},
        "fanotify_exporter_groups_last_scan_timestamp_seconds": {(): 5},
    } == {name: samples for name, samples in families.items() if samples}


def test_during_the_first_full_scan() -> None:
    """A long first scan shows the groups found so far, and no time of its end."""
    families = collect(GroupScan(SCAN.groups, 0, 0.0))
    assert 1 == families["fanotify_groups"]["edr",]
    assert {} == families["fanotify_exporter_groups_last_scan_timestamp_seconds"]


def test_before_the_first_scan() -> None:
    """Before the first scan there is no series: a 0 could raise an alert."""
    assert {} == collect(None)


def test_scan_that_failed() -> None:
    """If the scan fails the families are missing, and collector_success is 0."""

    def read() -> NoReturn:
        raise RuntimeError("the scan failed")

    registry = Registry({"groups": GroupsCollector(read)})
    assert 0 == sample_value(
        registry, "fanotify_exporter_collector_success", {"collector": "groups"}
    )
    assert "fanotify_groups" not in {
        family.name for family in registry.scrape().collect()
    }
