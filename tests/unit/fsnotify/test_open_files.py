"""Grouping of descriptors by open file."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from errno import EBADF, ENOSYS, EPERM, ESRCH
from pathlib import Path

import pytest

from fanotify_exporter.fsnotify import open_files
from fanotify_exporter.fsnotify.descriptors import Descriptor
from fanotify_exporter.fsnotify.inventory import Kind
from fanotify_exporter.fsnotify.kcmp import File
from fanotify_exporter.fsnotify.open_files import (
    Comparison,
    group_by_open_file,
    open_file_comparison,
    places_of,
)
from tools.harness.proc_folder import ProcFolder


@pytest.fixture
def proc(tmp_path: Path) -> ProcFolder:
    return ProcFolder(tmp_path / "proc")


DESCRIPTORS = {
    name: Descriptor(started, pid, fd, Kind.FANOTIFY, name, 0, privileged=False)
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


def comparison(
    files: Mapping[str, int], errors: Mapping[str, int] | None = None
) -> Comparison:
    """Return a function like compare_files(), with *files* and *errors* by name."""
    by_file = {DESCRIPTORS[name].file: name for name in DESCRIPTORS}

    def compare(one: File, other: File) -> int:
        names = by_file[one], by_file[other]
        for name in names:
            if error := (errors or {}).get(name):
                raise OSError(error, os.strerror(error))
        first, second = (files[name] for name in names)
        return (first > second) - (first < second)

    return compare


def names(groups: list[tuple[Descriptor, ...]]) -> set[tuple[str, ...]]:
    return {tuple(descriptor.comm for descriptor in group) for group in groups}


def test_descriptors_of_one_file_are_one_group() -> None:
    """Each open file is one group; the earliest started process comes first."""
    assert {("a-received", "a", "a-child"), ("b", "b-dup"), ("c",)} == names(
        group_by_open_file(DESCRIPTORS.values(), comparison(FILES))
    )


def test_without_comparison() -> None:
    """Without kcmp each descriptor is a group, so that no group is missed."""
    assert {(name,) for name in DESCRIPTORS} == names(
        group_by_open_file(DESCRIPTORS.values(), None)
    )


@pytest.mark.parametrize("error", [EPERM, ENOSYS])
def test_process_that_cannot_be_compared(error: int) -> None:
    """A descriptor that the kernel refuses to compare is a group of its own."""
    assert {("a-received", "a"), ("a-child",), ("b", "b-dup"), ("c",)} == names(
        group_by_open_file(DESCRIPTORS.values(), comparison(FILES, {"a-child": error}))
    )


@pytest.mark.parametrize("error", [ESRCH, EBADF])
def test_process_that_has_ended(error: int) -> None:
    """A descriptor that is closed, also by the end of its process, is left out."""
    assert {("a-received", "a-child"), ("b", "b-dup"), ("c",)} == names(
        group_by_open_file(DESCRIPTORS.values(), comparison(FILES, {"a": error}))
    )


@pytest.mark.parametrize("calls", range(len(DESCRIPTORS), 20))
def test_descriptor_closed_during_comparison(calls: int) -> None:
    """A descriptor closed at any moment is in its group or left out; others stay."""
    errors: dict[str, int] = {}
    plain = comparison(FILES, errors)
    left = calls

    def compare(one: File, other: File) -> int:
        nonlocal left
        left -= 1
        if left < 0:
            errors["a"] = ESRCH
        return plain(one, other)

    found = group_by_open_file(DESCRIPTORS.values(), compare)
    assert {("b", "b-dup"), ("c",)} < names(found)
    assert names(found) - {("b", "b-dup"), ("c",)} <= {
        ("a-received", "a", "a-child"),
        ("a-received", "a-child"),
    }


@pytest.mark.parametrize("toggling", ["a", "b", "c"])
def test_descriptor_that_is_closed_and_opened_all_the_time(toggling: str) -> None:
    """A user's descriptor that is open for every other call harms no privileged one."""
    plain = comparison(FILES)
    culprit = DESCRIPTORS[toggling]

    def compare(one: File, other: File) -> int:
        if culprit.file in (one, other) and one != other:
            raise OSError(EBADF, os.strerror(EBADF))
        return plain(one, other)

    descriptors = [
        each if each is culprit else replace(each, privileged=True)
        for each in DESCRIPTORS.values()
    ]
    others = {
        tuple(name for name in group if name != toggling)
        for group in (("a-received", "a", "a-child"), ("b", "b-dup"), ("c",))
    }
    expected = {*filter(None, others), (toggling,)}
    assert expected == names(group_by_open_file(descriptors, compare))


def test_many_descriptors_closed_during_comparison() -> None:
    """A thousand descriptors that close while being compared are left out."""
    descriptors = [
        Descriptor(1, pid, 3, Kind.INOTIFY, "x", 1000, privileged=False)
        for pid in range(2000)
    ]
    selves = Counter[int]()

    def compare(one: File, other: File) -> int:
        selves[one[0]] += one == other
        for pid in (one[0], other[0]):
            if selves[pid] > 1 and pid % 2:
                raise OSError(EBADF, os.strerror(EBADF))
        return (one > other) - (one < other)

    found = group_by_open_file(descriptors, compare)
    assert 1000 <= len(found) <= 2000


class CountingComparison:
    """A comparison of the files of processes: a process refers to file pid % files."""

    def __init__(self, files: int) -> None:
        self.files = files
        self.calls = 0

    def __call__(self, one: File, other: File) -> int:
        self.calls += 1
        first, second = (hash_of(each[0] % self.files) for each in (one, other))
        return (first > second) - (first < second)


def hash_of(number: int) -> int:
    """Return a number below 65,536 in an order unlike that of *number*."""
    return number * 40_503 % 65_536


def crowd(number: int) -> list[Descriptor]:
    """Return a descriptor of each of *number* processes; every 16th is privileged."""
    return [
        Descriptor(1, pid, 3, Kind.INOTIFY, "x", 1000, privileged=pid % 16 == 0)
        for pid in range(number)
    ]


def test_cost_of_known_descriptors() -> None:
    """Thousands of descriptors that have places take three comparisons each."""
    compare = CountingComparison(files=3000)
    first = group_by_open_file(crowd(4000), compare)
    assert 3000 == len(first)
    compare.calls = 0
    again = group_by_open_file(reversed(crowd(4000)), compare, places_of(first))
    assert set(first) == set(again)
    assert compare.calls <= 4000 * 3.2


def test_cost_of_new_descriptors() -> None:
    """A new descriptor among thousands takes some 25 comparisons."""
    compare = CountingComparison(files=6000)
    first = group_by_open_file(crowd(4000), compare)
    compare.calls = 0
    found = group_by_open_file(crowd(4100), compare, places_of(first))
    assert 4100 == len(found)
    assert compare.calls <= 4000 * 3.2 + 100 * 25


@pytest.mark.parametrize("files", [1, 2, 3, 500])
def test_places_of_other_files(files: int) -> None:
    """Places that are wrong now cost time, and change no result."""
    first = group_by_open_file(crowd(500), CountingComparison(files=499))
    places = {key: 1000 - place for key, place in places_of(first).items()}
    found = group_by_open_file(crowd(500), CountingComparison(files), places)
    assert set(group_by_open_file(crowd(500), CountingComparison(files))) == set(found)
    assert files == len(found)


def test_no_descriptors() -> None:
    """Without descriptors no groups are found."""
    assert [] == group_by_open_file([], comparison(FILES))


def test_comparison_here() -> None:
    """On this machine's procfs there is a comparison, or a reason without one."""
    compare, reason = open_file_comparison(Path("/proc"))
    assert (compare is None) == bool(reason)


@pytest.mark.parametrize("pids", ["Pid:\t812\nNSpid:\t812\t7\n", "Pid:\t1\n", None])
def test_procfs_of_another_namespace(proc: ProcFolder, pids: str | None) -> None:
    """Pids of another namespace are not compared: here they are other processes."""
    if pids:
        (proc.path / "self").mkdir()
        (proc.path / "self/status").write_text(pids)
    compare, reason = open_file_comparison(proc.path)
    assert compare is None
    assert f"{proc.path} is another pid namespace's" == reason


def test_kernel_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the kernel refuses kcmp, the reason has the error of the call."""

    def refuse(_one: File, _other: File) -> int:
        raise OSError(EPERM, os.strerror(EPERM), "kcmp")

    monkeypatch.setattr(open_files, "compare_files", refuse)
    expected = (None, "kcmp: Operation not permitted")
    assert expected == open_file_comparison(Path("/proc"))
