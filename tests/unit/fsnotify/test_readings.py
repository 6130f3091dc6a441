"""Readings of descriptors in a folder like /proc."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanotify_exporter.fsnotify.inventory import Kind
from fanotify_exporter.fsnotify.model import Group, Marks
from fanotify_exporter.fsnotify.readings import Content, Reading, read_descriptor
from fanotify_exporter.fsnotify.throttle import EXPENSIVE_SECONDS
from tools.harness.proc_folder import (
    EMPTY_GROUP,
    EMPTY_INSTANCE,
    MARK,
    WATCH,
    ProcFolder,
)


@pytest.fixture
def proc(tmp_path: Path) -> ProcFolder:
    proc = ProcFolder(tmp_path / "proc")
    proc.start(812, {4: EMPTY_GROUP + MARK * 2}, started=100)
    proc.open_instance(812, 5, EMPTY_INSTANCE + WATCH * 3)
    return proc


def read(
    proc: ProcFolder,
    descriptor: tuple[int, int, int],
    kind: Kind,
    *,
    is_privileged: bool = False,
) -> Content | None:
    return read_descriptor(descriptor, kind, proc.path, is_privileged=is_privileged)


def test_marks_and_watches(proc: ProcFolder) -> None:
    """The content of a group has its marks, that of an instance its watches."""
    marks = (Marks("mount", blocking=False, count=2),)
    group = read(proc, (100, 812, 4), Kind.FANOTIFY)
    assert Group(0, marks) == group
    assert 3 == read(proc, (100, 812, 5), Kind.INOTIFY)
    proc.open_instance(812, 5)
    assert 0 == read(proc, (100, 812, 5), Kind.INOTIFY)


@pytest.mark.parametrize(
    ("descriptor", "kind"),
    [
        ((100, 812, 5), Kind.FANOTIFY),
        ((100, 812, 4), Kind.INOTIFY),
        ((100, 812, 0), Kind.INOTIFY),
        ((100, 812, 99), Kind.INOTIFY),
        ((100, 813, 5), Kind.INOTIFY),
        ((101, 812, 5), Kind.INOTIFY),
    ],
)
def test_descriptor_of_something_else(
    proc: ProcFolder, descriptor: tuple[int, int, int], kind: Kind
) -> None:
    """A closed or reopened descriptor, and a reused pid, have no content."""
    assert read(proc, descriptor, kind) is None


def test_link_without_a_group(proc: ProcFolder) -> None:
    """A descriptor that is closed between two reads has no content."""
    proc.open_group(812, 4, "pos:\t0\n")
    assert read(proc, (100, 812, 4), Kind.FANOTIFY) is None
    (proc.path / "812/fdinfo/5").unlink()
    assert read(proc, (100, 812, 5), Kind.INOTIFY) is None


def test_wide_marks(proc: ProcFolder) -> None:
    """What mount marks are on is kept of a privileged owner."""
    descriptor = (100, 812, 4)
    for is_privileged, mounts in ((True, {0x1B}), (False, set())):
        group = read(proc, descriptor, Kind.FANOTIFY, is_privileged=is_privileged)
        assert isinstance(group, Group)
        assert mounts == group.wide_marks.mounts


def test_expensive() -> None:
    """A reading is expensive from EXPENSIVE_SECONDS on."""
    assert Reading(0, seconds=EXPENSIVE_SECONDS).is_expensive
    assert not Reading(0, seconds=EXPENSIVE_SECONDS * 0.99).is_expensive
