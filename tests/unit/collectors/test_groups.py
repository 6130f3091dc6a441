"""Gauges of the groups and marks that a scan found."""

from __future__ import annotations

from typing import NoReturn

from fanotify_exporter.collectors.groups import GroupsCollector
from fanotify_exporter.fsnotify.model import Group, GroupScan, Marks, OwnedGroup
from fanotify_exporter.metrics.registry import Registry
from tools.harness.exposition import sample_value
from tools.harness.golden import SCAN


Samples = dict[tuple[str, ...], float]

UNLIMITED = 0x20


def collect(scan: GroupScan | None) -> dict[str, Samples]:
    return {
        family.name: {
            tuple(sample.labels.values()): sample.value for sample in family.samples
        }
        for family in GroupsCollector(lambda: scan).collect()
    }


def test_families() -> None:
    """Groups and marks by comm and by user; a user has no unlimited marks."""
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
    # FAN_CLASS_CONTENT
    listener = OwnedGroup("zzzz", 9, Group(0x4, ()))
    families = collect(GroupScan((*crowd, large, root, listener), 0, 5.0))
    comms, marks, uids, user_marks = list(families.values())[:4]
    assert [103, 101, 103, 103] == [*map(len, (comms, marks, uids, user_marks))]
    assert [303, 909] * 2 == [
        sum(each.values()) for each in list(families.values())[:4]
    ]
    assert 1 == comms["zzz",] == uids["0",] == comms["zzzz",] == uids["9",]
    assert 9 == marks["zz", "inode", "false"] == user_marks["5000",]
    rest = ("[other: too many]", "inode", "false")
    assert 3 * 201 == marks[rest] == user_marks[rest[:1]]


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
