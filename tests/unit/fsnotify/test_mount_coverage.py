"""What the mount and filesystem marks of programs cover."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from fanotify_exporter.fsnotify import mount_coverage
from fanotify_exporter.fsnotify.model import NO_WIDE_MARKS, Group, OwnedGroup, WideMarks
from fanotify_exporter.fsnotify.mount_coverage import (
    Coverage,
    MountScanner,
    MountTable,
    find_coverage,
    mount_table,
)
from fanotify_exporter.procfs.mountinfo import Mount
from tools import CHECKOUT
from tools.harness.golden import PROC


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


def test_pseudo_filesystems() -> None:
    """Mounts of pseudo filesystems are not in the table."""
    table = mount_table(
        [
            Mount(1, 1, 5, b"ext4", b"/"),
            Mount(2, 1, 6, b"proc", b"/proc"),
            Mount(3, 1, 7, b"tmpfs", b"/run"),
            Mount(4, 3, 8, b"nsfs", b"/run/netns/a"),
        ]
    )
    assert {1, 3} == table.mounts.keys()
    assert {b"ext4": 1, b"tmpfs": 1} == table.fstypes


@pytest.mark.parametrize("top", [b"tmpfs", b"proc"])
def test_hidden_mounts(top: bytes) -> None:
    """A mount under another at the same place is left out; one further down is not."""
    table = mount_table(
        [
            Mount(1, 1, 5, b"ext4", b"/"),
            Mount(2, 1, 6, b"tmpfs", b"/a"),
            Mount(3, 2, 7, top, b"/a"),
            Mount(4, 3, 8, b"tmpfs", b"/a/b"),
            Mount(5, 9, 9, b"tmpfs", b"/c"),
        ]
    )
    assert {1, 4, 5} | ({3} if top == b"tmpfs" else set()) == table.mounts.keys()
    assert not covered(owned("a", marked([2], [6])), table=table)


def test_scanner() -> None:
    """A poll reads the mounts of process 1."""
    table = MountScanner(PROC).poll()
    assert {b"ext4": 3, b"tmpfs": 1, b"btrfs": 2, b"overlay": 1, b"fuse": 1} == (
        table.fstypes
    )
    assert (27, 42) == table.by_device[0xFE00000]


def test_too_many_mounts(monkeypatch: pytest.MonkeyPatch) -> None:
    """More mounts than the bound are an error, and no wrong number."""
    monkeypatch.setattr(mount_coverage, "MAX_MOUNTS", 12)
    with pytest.raises(RuntimeError, match="more than 12 mounts"):
        MountScanner(PROC).poll()


def test_no_procfs(tmp_path: Path) -> None:
    """Without mountinfo the poll fails."""
    with pytest.raises(FileNotFoundError):
        MountScanner(tmp_path).poll()


@pytest.mark.parametrize(
    ("seconds", "delay"), [(0.0, 10.0), (0.05, 10.0), (0.2, 20.0), (9.0, 60.0)]
)
def test_delay(seconds: float, delay: float) -> None:
    """Polls take at most 1 % of a CPU, and the mounts never get too old."""
    clock = iter((1.0, 1.0 + seconds))
    scanner = MountScanner(PROC, lambda: next(clock))
    scanner.poll()
    assert pytest.approx(delay) == scanner.delay()


def test_delay_after_a_failure(tmp_path: Path) -> None:
    """A poll that failed is repeated after the same time."""
    scanner = MountScanner(tmp_path)
    with pytest.raises(FileNotFoundError):
        scanner.poll()
    assert 10.0 == scanner.delay()


def test_documented_list() -> None:
    """docs/mount_coverage.md lists the pseudo filesystems that are left out."""
    page = (CHECKOUT / "docs/mount_coverage.md").read_text()
    (listed,) = re.findall(r"no files of users: (.*?)\.\n", page, re.DOTALL)
    names = set(re.split(r",\s+|\s+and\s+", listed))
    assert names == {each.decode() for each in mount_coverage.PSEUDO_FILESYSTEMS}
