"""Gauges of the mounts that the marks of programs cover."""

from __future__ import annotations

import pytest

from fanotify_exporter.collectors.mount_coverage import MountCoverageCollector
from fanotify_exporter.fsnotify.model import GroupScan
from fanotify_exporter.fsnotify.mount_table import MountScanner, MountTable, mount_table
from fanotify_exporter.procfs.mountinfo import Mount
from tools.harness.golden import PROC, SCAN


TABLE = MountScanner(PROC).poll()


Numbers = dict[tuple[str, str], tuple[float, float]]


def collect(table: MountTable = TABLE) -> Numbers:
    """Return the marked and the unmarked mounts by comm and type."""
    (family,) = MountCoverageCollector(lambda: SCAN, lambda: table).collect()
    found = {tuple(sample.labels.values()): sample.value for sample in family.samples}
    assert len(family.samples) == len(found)
    return {
        (comm, fstype): (number, found[comm, fstype, "false"])
        for (comm, fstype, marked), number in found.items()
        if marked == "true"
    }


def test_mounts_by_program_and_type() -> None:
    """Each program has the marked and the unmarked mounts of each type of the host."""
    assert {
        ("fapolicyd", "ext4"): (2, 1),
        ("fapolicyd", "btrfs"): (1, 1),
        ("fapolicyd", "tmpfs"): (0, 1),
        ("fapolicyd", "overlay"): (0, 1),
        ("fapolicyd", "fuse"): (0, 1),
        ("fatrace", "ext4"): (2, 1),
        ("fatrace", "btrfs"): (2, 0),
        ("fatrace", "tmpfs"): (0, 1),
        ("fatrace", "overlay"): (0, 1),
        ("fatrace", "fuse"): (0, 1),
    } == collect()


def test_type_of_any_bytes() -> None:
    """A type that is not printable is escaped."""
    table = mount_table([Mount(27, 1, 5, b"a\n\xff", b"/")])
    assert (1, 0) == collect(table)["fapolicyd", r"a\x0a\xff"]


@pytest.mark.parametrize(("scan", "table"), [(None, TABLE), (SCAN, None), (None, None)])
def test_before_the_first_scans(
    scan: GroupScan | None, table: MountTable | None
) -> None:
    """Without both scans there is no family, so that no mount seems unmarked."""
    assert [] == list(MountCoverageCollector(lambda: scan, lambda: table).collect())


def test_no_wide_marks() -> None:
    """Without programs with such marks the family has no series."""
    scan = GroupScan((), 0, 1.0)
    (family,) = MountCoverageCollector(lambda: scan, lambda: TABLE).collect()
    assert [] == family.samples
