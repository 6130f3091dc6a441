"""Descriptors of processes in a folder like /proc."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanotify_exporter.fsnotify import descriptors as descriptors_module
from fanotify_exporter.fsnotify.descriptors import (
    Descriptor,
    find_descriptors,
    is_privileged,
)
from fanotify_exporter.fsnotify.inventory import Kind
from fanotify_exporter.procfs.process import LINKS_AT_ONCE
from tools.harness.proc_folder import ProcFolder


@pytest.fixture
def proc(tmp_path: Path) -> ProcFolder:
    return ProcFolder(tmp_path / "proc")


def found(proc: ProcFolder) -> tuple[Descriptor, ...]:
    """Return the descriptors of process 812; none may be left out."""
    descriptors, left_out = find_descriptors(812, proc.path)
    assert 0 == left_out
    return descriptors


def test_finds_groups_and_instances(proc: ProcFolder) -> None:
    """Each descriptor is found, with name, user and start of its process."""
    proc.start(812, {4: "", 700: ""}, comm=b"fapolicyd", started=4242, uid=994)
    proc.open_instance(812, 7)
    owner = ("fapolicyd", 994, False)
    assert {
        Descriptor(4242, 812, 4, Kind.FANOTIFY, *owner),
        Descriptor(4242, 812, 7, Kind.INOTIFY, *owner),
        Descriptor(4242, 812, 700, Kind.FANOTIFY, *owner),
    } == set(found(proc))


def test_process_without_groups(proc: ProcFolder) -> None:
    """Descriptors whose link is only similar to a group's are not groups."""
    proc.start(812)
    targets = (
        "anon_inode:[inotify]",
        "/anon_inode:inotify",
        "anon_inode:[fanotify",
        "/anon_inode:[fanotify]",
    )
    for fd, target in enumerate(targets):
        proc.open(812, 10 + fd, target)
    assert () == found(proc)


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
    expected = Descriptor(4242, 812, 4, Kind.FANOTIFY, shown, 994, privileged=False)
    assert (expected,) == found(proc)


def test_process_that_has_ended(proc: ProcFolder) -> None:
    """A process that has ended has no groups, and causes no error."""
    assert ((), 0) == find_descriptors(812, proc.path)


@pytest.mark.parametrize("missing", ["stat", "comm", "status", "fd"])
def test_process_that_ends_meanwhile(proc: ProcFolder, missing: str) -> None:
    """A process that ends between two reads has no groups."""
    proc.start(812, {4: ""})
    path = proc.path / "812" / missing
    path.rename(path.with_name("gone"))
    assert ((), 0) == find_descriptors(812, proc.path)


@pytest.mark.parametrize("kind", Kind)
def test_too_many_of_a_kind(
    proc: ProcFolder, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    """After too many descriptors of a kind the rest is left out, and counted."""
    monkeypatch.setattr(descriptors_module, "MAX_FOUND", dict.fromkeys(Kind, 100))
    monkeypatch.setattr(descriptors_module, "count_fds", lambda _: 900)
    proc.start(812, privileged=True)
    for fd in range(3, 900):
        if kind is Kind.FANOTIFY:
            proc.open_group(812, fd)
        else:
            proc.open_instance(812, fd)
    descriptors, left_out = find_descriptors(812, proc.path)
    assert LINKS_AT_ONCE - 3 <= len(descriptors) <= LINKS_AT_ONCE
    assert 900 - LINKS_AT_ONCE == left_out
    descriptors, left_out = find_descriptors(812, proc.path, bounded=False)
    assert (897, 0) == (len(descriptors), left_out)


def test_too_many_descriptors(
    proc: ProcFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After too many descriptors of any kind the rest is not inspected."""
    monkeypatch.setattr(descriptors_module, "MAX_INSPECTED", LINKS_AT_ONCE)
    monkeypatch.setattr(descriptors_module, "count_fds", lambda _: LINKS_AT_ONCE + 70)
    proc.start(812)
    for fd in range(3, LINKS_AT_ONCE + 70):
        proc.open(812, fd, "/dev/null")
    assert ((), 70) == find_descriptors(812, proc.path)
    assert ((), 0) == find_descriptors(812, proc.path, bounded=False)


@pytest.mark.parametrize("privileged", [True, False])
def test_privilege(proc: ProcFolder, privileged: bool) -> None:  # noqa: FBT001
    """A process is privileged with CAP_SYS_ADMIN; a process that ended is not."""
    proc.start(812, {4: ""}, privileged=privileged)
    assert privileged == is_privileged(812, proc.path) == found(proc)[0].privileged
    assert not is_privileged(813, proc.path)
