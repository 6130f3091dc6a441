"""Gauges of the groups and marks that a scan found."""

from __future__ import annotations

from typing import NoReturn

from fanotify_exporter.collectors.groups import GroupsCollector
from fanotify_exporter.fsnotify.model import GroupScan
from fanotify_exporter.metrics.registry import build_registry
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
        "fanotify_exporter_groups_last_scan_timestamp_seconds": {(): 1_750_000_000.5},
    } == collect(SCAN)


def test_host_without_groups() -> None:
    """Without groups only the families about the scan have series."""
    families = collect(GroupScan((), 0, 5.0))
    assert {
        "fanotify_exporter_groups_unreadable_processes": {(): 0},
        "fanotify_exporter_groups_last_scan_timestamp_seconds": {(): 5},
    } == {name: samples for name, samples in families.items() if samples}


def test_before_the_first_scan() -> None:
    """Before the first scan there is no series: a 0 could raise an alert."""
    assert {} == collect(None)


def test_scan_that_failed() -> None:
    """If the scan fails the families are missing, and collector_success is 0."""

    def read() -> NoReturn:
        raise RuntimeError("the scan failed")

    registry = build_registry({"groups": GroupsCollector(read)})
    assert 0 == registry.get_sample_value(
        "fanotify_exporter_collector_success", {"collector": "groups"}
    )
    assert "fanotify_groups" not in {family.name for family in registry.collect()}
