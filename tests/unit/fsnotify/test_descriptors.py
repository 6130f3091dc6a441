"""Group descriptors of processes in a folder like /proc."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanotify_exporter.fsnotify.descriptors import (
    GroupDescriptor,
    find_group_descriptors,
)
from tools.harness.proc_folder import ProcFolder


@pytest.fixture
def proc(tmp_path: Path) -> ProcFolder:
    return ProcFolder(tmp_path / "proc")


def test_finds_groups_among_descriptors(proc: ProcFolder) -> None:
    """Each group descriptor is found, with name, user and start of its process."""
    proc.start(812, {4: "", 700: ""}, comm=b"fapolicyd", started=4242, uid=994)
    assert {
        GroupDescriptor(4242, 812, 4, "fapolicyd", 994, privileged=False),
        GroupDescriptor(4242, 812, 700, "fapolicyd", 994, privileged=False),
    } == set(find_group_descriptors(812, proc.path))


def test_process_without_groups(proc: ProcFolder) -> None:
    """Descriptors whose link is only similar to a group's are not groups."""
    proc.start(812)
    for fd, target in enumerate(
        ("anon_inode:inotify", "anon_inode:[fanotify", "/anon_inode:[fanotify]")
    ):
        proc.open(812, 10 + fd, target)
    assert () == find_group_descriptors(812, proc.path)


def test_only_given_descriptors(proc: ProcFolder) -> None:
    """Of the given descriptors, those that are groups now are found."""
    proc.start(812, {4: "", 5: "", 6: ""})
    proc.open(812, 5, "/dev/null")
    found = find_group_descriptors(812, proc.path, [4, 5, 77])
    assert [4] == [descriptor.fd for descriptor in found]


@pytest.mark.parametrize(
    ("comm", "shown"),
    [
        (b"", ""),
        (b"plain", "plain"),
        (b"line\n", r"line\x0a"),
        (b"\n\n", r"\x0a\x0a"),
        (b"\xff\\", r"\xff\\"),
        (b"a) S 1 2 3 (b", "a) S 1 2 3 (b"),
    ],
)
def test_hostile_comm(proc: ProcFolder, comm: bytes, shown: str) -> None:
    """A name of any bytes is escaped, and does not shift the fields after the name."""
    proc.start(812, {4: ""}, comm=comm, started=4242, uid=994)
    assert (
        GroupDescriptor(4242, 812, 4, shown, 994, privileged=False),
    ) == find_group_descriptors(812, proc.path)


def test_process_that_has_ended(proc: ProcFolder) -> None:
    """A process that has ended has no groups, and causes no error."""
    assert () == find_group_descriptors(812, proc.path)


@pytest.mark.parametrize("missing", ["stat", "comm", "status", "fd"])
def test_process_that_ends_meanwhile(proc: ProcFolder, missing: str) -> None:
    """A process that ends between two reads has no groups."""
    proc.start(812, {4: ""})
    path = proc.path / "812" / missing
    path.rename(path.with_name("gone"))
    assert () == find_group_descriptors(812, proc.path)
