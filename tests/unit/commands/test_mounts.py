"""From scans of groups and mounts to rows of the landing page."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

import pytest

from fanotify_exporter.commands.mounts import (
    MAX_PATH,
    MAX_ROWS,
    reading_unmarked,
    start_mount_scan,
    to_rows,
)
from fanotify_exporter.fsnotify.model import Group, GroupScan, OwnedGroup, WideMarks
from fanotify_exporter.fsnotify.mount_table import MountScanner, mount_table
from fanotify_exporter.landing.mounts import UnmarkedMount
from fanotify_exporter.procfs.mountinfo import Mount
from tools.harness.golden import PROC, SCAN
from tools.harness.processes import poll


def scan(*mounts: int, comm: str = "av") -> GroupScan:
    marks = WideMarks(frozenset(mounts))
    return GroupScan((OwnedGroup(comm, 0, Group(4, (), marks, marks)),), 0, 1.0)


def test_rows() -> None:
    """Rows have what a program that blocks leaves out, not what others leave out."""
    shown = to_rows(SCAN, MountScanner(PROC).poll())
    assert [
        UnmarkedMount("fapolicyd", "/mnt/data", "ext4", marks_others=True),
        UnmarkedMount("fapolicyd", "/var/lib/one", "btrfs", marks_others=True),
        UnmarkedMount("fapolicyd", "/dev/shm", "tmpfs", marks_others=False),
        UnmarkedMount("fapolicyd", "/home/ann/my photos", "fuse", marks_others=False),
        UnmarkedMount(
            "fapolicyd",
            "/var/lib/docker/overlay2/3f/merged",
            "overlay",
            marks_others=False,
        ),
    ] == shown.rows
    assert 0 == shown.omitted


def test_ten_rows() -> None:
    """There are at most ten rows, and the number of the other mounts."""
    table = mount_table(
        Mount(each, 0, each, b"ext4", b"/%d" % each) for each in range(1, 513)
    )
    shown = to_rows(scan(7), table)
    assert MAX_ROWS == len(shown.rows)
    assert "/1" == shown.rows[0].mount_point
    assert 501 == shown.omitted
    assert shown.notes.endswith(" 501 more mounts not shown.")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (b"/a\xff<b>\n\\", r"/a\xff<b>\x0a\\"),
        ("/\u202eexe.txt".encode(), r"/\xe2\x80\xaeexe.txt"),
        (b"/" + b"a" * MAX_PATH, "/" + "a" * (MAX_PATH - 2) + "…"),
        (b"/" + b"a" * (MAX_PATH - 1), "/" + "a" * (MAX_PATH - 1)),
    ],
)
def test_hostile_path(path: bytes, text: str) -> None:
    """A path is printable text of at most MAX_PATH characters."""
    (row,) = to_rows(scan(7), mount_table([Mount(1, 0, 1, b"fuse", path)])).rows
    assert text == row.mount_point


def test_unknown() -> None:
    """Before the first scans, and while a scan fails, the mounts are not known."""

    def fail() -> NoReturn:
        raise RuntimeError

    table = MountScanner(PROC).poll()
    assert reading_unmarked(lambda: None, lambda: table)() is None
    assert reading_unmarked(lambda: SCAN, lambda: None)() is None
    assert reading_unmarked(lambda: SCAN, fail)() is None
    assert reading_unmarked(fail, lambda: table)() is None
    shown = reading_unmarked(lambda: SCAN, lambda: table)()
    assert shown
    assert 5 == len(shown.rows)


def test_thread() -> None:
    """The thread reads the mounts, and ends with the stack."""
    with ExitStack() as stack:
        latest = start_mount_scan(PROC, stack)
        table = poll(latest, lambda found: found is not None)
        assert table
        assert 27 in table.mounts


def test_thread_without_procfs(tmp_path: Path) -> None:
    """A failed scan is an error that says what was scanned for."""
    with ExitStack() as stack:
        latest = start_mount_scan(tmp_path, stack)

        def failed() -> str:
            try:
                latest()
            except RuntimeError as error:
                return str(error)
            return ""

        assert "scanning for mounts failed" in poll(failed, bool)
