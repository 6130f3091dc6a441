"""Folders of processes in, descriptors of groups out; then the same, by open file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from errno import EBADF, ENOSYS, EPERM, ESRCH
from pathlib import Path

import pytest

from fanotify_exporter.fsnotify.descriptors import (
    GroupDescriptor,
    find_group_descriptors,
    group_by_open_file,
    open_file_comparison,
)
from fanotify_exporter.fsnotify.kcmp import Comparison, File
from tools.harness.proc_folder import ProcFolder


@pytest.fixture
def proc(tmp_path: Path) -> ProcFolder:
    return ProcFolder(tmp_path / "proc")


def test_finds_groups_among_descriptors(proc: ProcFolder) -> None:
    """Each descriptor that is a group, with what tells about its process."""
    proc.start(812, {4: "", 700: ""}, comm=b"fapolicyd", started=4242, uid=994)
    assert {
        GroupDescriptor(4242, 812, 4, "fapolicyd", 994),
        GroupDescriptor(4242, 812, 700, "fapolicyd", 994),
    } == set(find_group_descriptors(812, proc.path))


def test_process_without_groups(proc: ProcFolder) -> None:
    """What is much like a group is none."""
    proc.start(812)
    for fd, target in enumerate(
        ("anon_inode:inotify", "anon_inode:[fanotify", "/anon_inode:[fanotify]")
    ):
        proc.open(812, 10 + fd, target)
    assert () == find_group_descriptors(812, proc.path)


def test_only_these_descriptors(proc: ProcFolder) -> None:
    """Of the descriptors asked for, those that still are groups."""
    proc.start(812, {4: "", 5: "", 6: ""})
    proc.open(812, 5, "/dev/null")
    found = find_group_descriptors(812, proc.path, [4, 5, 77])
    assert [4] == [holder.fd for holder in found]


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
    """A name is shown as everywhere, and does not shift the fields behind it."""
    proc.start(812, {4: ""}, comm=comm, started=4242, uid=994)
    assert (GroupDescriptor(4242, 812, 4, shown, 994),) == find_group_descriptors(
        812, proc.path
    )


def test_process_that_is_gone(proc: ProcFolder) -> None:
    """A process that ended has no groups; that is no error."""
    assert () == find_group_descriptors(812, proc.path)


@pytest.mark.parametrize("missing", ["stat", "comm", "status", "fd"])
def test_process_that_ends_meanwhile(proc: ProcFolder, missing: str) -> None:
    """A process that ends between two readings has no groups."""
    proc.start(812, {4: ""})
    path = proc.path / "812" / missing
    path.rename(path.with_name("gone"))
    assert () == find_group_descriptors(812, proc.path)


HOLDERS = {
    name: GroupDescriptor(started, pid, fd, name, 0)
    for name, (started, pid, fd) in {
        "a": (10, 300, 3),
        "b": (20, 200, 3),
        "b-dup": (20, 200, 9),
        "a-child": (30, 100, 3),
        "c": (10, 301, 3),
        "a-received": (5, 400, 8),
    }.items()
}
FILES = {"a": 7, "b": 1, "b-dup": 1, "a-child": 7, "c": 4, "a-received": 7}


def compares(
    files: Mapping[str, int], errors: Mapping[str, int] | None = None
) -> Comparison:
    """Compare as kcmp would, where holders are of *files* or give *errors*."""
    by_file = {HOLDERS[name].file: name for name in HOLDERS}

    def compare(one: File, other: File) -> int:
        names = by_file[one], by_file[other]
        for name in names:
            if error := (errors or {}).get(name):
                raise OSError(error, os.strerror(error))
        first, second = (files[name] for name in names)
        return (first > second) - (first < second)

    return compare


def names(groups: list[tuple[GroupDescriptor, ...]]) -> set[tuple[str, ...]]:
    return {tuple(holder.comm for holder in group) for group in groups}


def test_holders_of_one_file_are_one_group() -> None:
    """Each open file is one group; who started first is its first holder."""
    assert {("a-received", "a", "a-child"), ("b", "b-dup"), ("c",)} == names(
        group_by_open_file(HOLDERS.values(), compares(FILES))
    )


def test_no_way_to_compare() -> None:
    """Without kcmp each descriptor is a group: too many, and none hidden."""
    assert {(name,) for name in HOLDERS} == names(
        group_by_open_file(HOLDERS.values(), None)
    )


@pytest.mark.parametrize("error", [EPERM, ENOSYS])
def test_holder_that_cannot_be_compared(error: int) -> None:
    """A process that refuses is a group of its own; the others are compared."""
    assert {("a-received", "a"), ("a-child",), ("b", "b-dup"), ("c",)} == names(
        group_by_open_file(HOLDERS.values(), compares(FILES, {"a-child": error}))
    )


@pytest.mark.parametrize("error", [ESRCH, EBADF])
def test_holder_that_is_gone(error: int) -> None:
    """A process that ended, or closed its descriptor, holds nothing."""
    assert {("a-received", "a-child"), ("b", "b-dup"), ("c",)} == names(
        group_by_open_file(HOLDERS.values(), compares(FILES, {"a": error}))
    )


@pytest.mark.parametrize("calls", range(len(HOLDERS), 20))
def test_holder_that_goes_while_comparing(calls: int) -> None:
    """At whatever moment one goes: it is in its group or in none, the others stay."""
    errors: dict[str, int] = {}
    plain = compares(FILES, errors)
    left = calls

    def compare(one: File, other: File) -> int:
        nonlocal left
        left -= 1
        if left < 0:
            errors["a"] = ESRCH
        return plain(one, other)

    found = group_by_open_file(HOLDERS.values(), compare)
    assert {("b", "b-dup"), ("c",)} < names(found)
    assert names(found) - {("b", "b-dup"), ("c",)} <= {
        ("a-received", "a", "a-child"),
        ("a-received", "a-child"),
    }


def test_nobody() -> None:
    """No holders are no groups."""
    assert [] == group_by_open_file([], compares(FILES))


def test_comparison_here() -> None:
    """On this machine's own procfs the kernel compares, or says why not."""
    compare, why_not = open_file_comparison(Path("/proc"))
    assert (compare is None) == bool(why_not)


@pytest.mark.parametrize("pids", ["Pid:\t812\nNSpid:\t812\t7\n", "Pid:\t1\n", None])
def test_procfs_of_another_namespace(proc: ProcFolder, pids: str | None) -> None:
    """Pids of another namespace are other processes here: they are not compared."""
    if pids:
        (proc.path / "self").mkdir()
        (proc.path / "self/status").write_text(pids)
    compare, why_not = open_file_comparison(proc.path)
    assert compare is None
    assert f"{proc.path} is another pid namespace's" == why_not
