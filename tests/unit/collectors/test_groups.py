"""What a look at /proc found in; gauges out."""

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
    """Groups and marks by name and by user; what is unlimited is not charged."""
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
    """No groups are no series, and the scan is told of all the same."""
    families = collect(GroupScan((), 0, 5.0))
    assert {
        "fanotify_exporter_groups_unreadable_processes": {(): 0},
        "fanotify_exporter_groups_last_scan_timestamp_seconds": {(): 5},
    } == {name: samples for name, samples in families.items() if samples}


def test_before_the_first_scan() -> None:
    """Before anything was looked at nothing is said: no 0 that could raise an alert."""
    assert {} == collect(None)


def test_scan_that_failed() -> None:
    """When looking fails the families are gone, and the collector says so."""

    def read() -> NoReturn:
        raise RuntimeError("looking for groups failed")

    registry = build_registry({"groups": GroupsCollector(read)})
    assert 0 == registry.get_sample_value(
        "fanotify_exporter_collector_success", {"collector": "groups"}
    )
    assert "fanotify_groups" not in {family.name for family in registry.collect()}
