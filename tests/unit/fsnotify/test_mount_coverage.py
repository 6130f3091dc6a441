"""Mounts that the mount and filesystem marks of programs cover."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from fanotify_exporter.fsnotify.model import NO_WIDE_MARKS, Group, OwnedGroup, WideMarks
from fanotify_exporter.fsnotify.mount_coverage import Coverage, find_coverage
from fanotify_exporter.fsnotify.mount_table import MountTable, mount_table
from fanotify_exporter.procfs.mountinfo import Mount


CONTENT = 0x4

TABLE = mount_table(
    [
        Mount(1, 1, 8 << 20, b"ext4", b"/"),
        Mount(2, 1, 8 << 20, b"ext4", b"/bind"),
        Mount(3, 1, 30, b"btrfs", b"/srv"),
        Mount(4, 3, 30, b"btrfs", b"/srv/sub"),
        Mount(5, 1, 31, b"overlay", b"/merged"),
    ]
)


def marked(mounts: Iterable[int] = (), devices: Iterable[int] = ()) -> WideMarks:
    return WideMarks(frozenset(mounts), frozenset(devices))


def owned(
    comm: str,
    every: WideMarks,
    blocking: WideMarks = NO_WIDE_MARKS,
    *,
    flags: int = 0,
    privileged: bool = True,
) -> OwnedGroup:
    return OwnedGroup(comm, 0, Group(flags, (), every, blocking), privileged=privileged)


def covered(*groups: OwnedGroup, table: MountTable = TABLE) -> set[int]:
    """Return the mounts that the only program covers."""
    (coverage,) = find_coverage(groups, table)
    return set(coverage.covered)


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        (marked(mounts=[1]), {1}),
        (marked(mounts=[2, 4]), {2, 4}),
        # All bind mounts and all subvolumes of a filesystem.
        (marked(devices=[8 << 20]), {1, 2}),
        (marked(devices=[30]), {3, 4}),
        (marked(mounts=[1], devices=[30, 31]), {1, 3, 4, 5}),
        (marked(mounts=[1, 2, 3, 4, 5], devices=[8 << 20]), {1, 2, 3, 4, 5}),
        # Mounts of another mount namespace, and a filesystem that is mounted nowhere.
        (marked(mounts=[77], devices=[8]), set()),
    ],
)
def test_covered(marks: WideMarks, expected: set[int]) -> None:
    """A mount mark covers its mount, a filesystem mark all mounts of the filesystem."""
    assert expected == covered(owned("a", marks))


def test_groups_of_a_program() -> None:
    """The groups of one name cover together; each name covers for itself."""
    groups = (
        owned("b", marked([1])),
        owned("a", marked([3])),
        owned("b", marked([2])),
        owned("none", NO_WIDE_MARKS),
    )
    assert [
        Coverage("a", can_block=False, covered=frozenset({3})),
        Coverage("b", can_block=False, covered=frozenset({1, 2})),
    ] == find_coverage(groups, TABLE)


def test_blocking_marks_count() -> None:
    """Of a program with blocking wide marks only those count, in all its groups."""
    groups = (
        owned("av", marked([1, 2]), marked([1]), flags=CONTENT),
        owned("av", marked([3])),
    )
    assert [Coverage("av", can_block=True, covered=frozenset({1}))] == find_coverage(
        groups, TABLE
    )


@pytest.mark.parametrize(
    ("privileged", "flags", "shown"),
    [(False, 0, False), (True, 0, True), (False, CONTENT, True)],
)
def test_ordinary_users(privileged: bool, flags: int, shown: bool) -> None:  # noqa: FBT001
    """A program that needed no privilege for its marks is left out."""
    group = owned("a", marked([1]), flags=flags, privileged=privileged)
    assert shown == bool(find_coverage([group], TABLE))
