"""Cgroup folders in, names by id out."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pytest

from fanotify_exporter.system import cgroups as names
from fanotify_exporter.system.cgroups import Cgroups, container_id, walk


ID = "0123456789abcdef" * 4
OTHER_ID = "f" * 64
POD = "kubepods-besteffort-pod6e6f8dd2_8b05_44ec_9d3c_5d4f1ab28d1b.slice"


@pytest.mark.parametrize(
    "path",
    [
        f"/system.slice/docker-{ID}.scope",
        f"/docker/{ID}",
        f"/docker/{ID}/init",
        f"/kubepods.slice/kubepods-besteffort.slice/{POD}/cri-containerd-{ID}.scope",
        f"/kubepods/burstable/pod6e6f8dd2-8b05-44ec-9d3c-5d4f1ab28d1b/{ID}",
        f"/kubepods.slice/{POD}/crio-{ID}.scope",
        f"/kubepods.slice/{POD}/crio-{ID}.scope/container",
        f"/machine.slice/libpod-{ID}.scope",
        f"/machine.slice/libpod-{ID}.scope/container",
        f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope",
        f"/docker/{OTHER_ID}/docker/{ID}",
    ],
)
def test_container_id(path: str) -> None:
    """Each runtime's cgroup gives its container's id; of nested ones the inner."""
    assert ID == container_id(path)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/system.slice/fapolicyd.service",
        "/user.slice/user-1000.slice/session-1.scope",
        f"/kubepods.slice/{POD}",
        f"/kubepods.slice/{POD}/crio-conmon-{ID}.scope",
        f"/machine.slice/libpod-conmon-{ID}.scope",
        f"/docker/{ID[:63]}",
        f"/docker/{ID}0",
        f"/docker/{ID.upper()}",
    ],
)
def test_no_container(path: str) -> None:
    """A service, a session, a pod and a container's monitor are no containers."""
    assert "" == container_id(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("system.slice/clamd.service", f"docker/{ID}"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "cgroup.procs").write_text("1\n")
    (tmp_path / "system.slice/cgroup.procs").write_text("1\n")
    return tmp_path


def number(path: Path) -> int:
    return path.stat().st_ino


def test_names(root: Path) -> None:
    """Each folder is known by its number; its files are not."""
    cgroups = Cgroups(root)
    cgroups.walk()
    assert ("/", "") == cgroups(number(root))
    assert ("/system.slice/clamd.service", "") == cgroups(
        number(root / "system.slice/clamd.service")
    )
    assert (f"/docker/{ID}", ID) == cgroups(number(root / f"docker/{ID}"))
    procs = number(root / "cgroup.procs")
    assert (f"[unknown: {procs}]", "") == cgroups(procs)


def test_names_of_any_bytes(root: Path) -> None:
    """A name that is not UTF-8 becomes text that a scrape can carry."""
    folder = root / os.fsdecode(b"box\xe9 \xc3\xa9\\x2d")
    folder.mkdir()
    cgroups = Cgroups(root)
    cgroups.walk()
    assert ("/box\\xe9 \u00e9\\x2d", "") == cgroups(number(folder))


@pytest.fixture
def depth(root: Path) -> Iterator[int]:
    """Make so many folders, one in the other; pytest could not remove them."""
    depth = 2500
    with chdir(root):
        for _ in range(depth):
            Path("d").mkdir()
            os.chdir("d")
        yield depth
        for _ in range(depth):
            os.chdir("..")
            Path("d").rmdir()


def test_deep_folders(root: Path, depth: int) -> None:
    """Folders deeper than Python's stack and the kernel's paths fail no walk."""
    deepest = max(path.count("/d") for _, path in walk(root))
    assert sys.getrecursionlimit() < deepest < depth


def test_gone_container_keeps_its_name(root: Path) -> None:
    """What was seen once is remembered."""
    container = root / f"docker/{ID}"
    cgroups, gone = Cgroups(root), number(container)
    cgroups.walk()
    shutil.rmtree(container)
    cgroups.walk()
    assert (f"/docker/{ID}", ID) == cgroups(gone)


def test_memory_is_bounded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When there are too many names, those of gone cgroups go first."""
    monkeypatch.setattr(names, "MAX_NAMES", 5)
    cgroups = Cgroups(root)
    gone = number(root / f"docker/{ID}")
    cgroups.walk()
    assert (f"/docker/{ID}", ID) == cgroups(gone)
    shutil.rmtree(root / f"docker/{ID}")
    (root / "new.slice").mkdir()
    cgroups.walk()
    assert ("/new.slice", "") == cgroups(number(root / "new.slice"))
    assert ("/docker", "") == cgroups(number(root / "docker"))
    assert 5 >= len(cgroups._names)


def test_host_without_cgroup_v2() -> None:
    """Where there is nothing to walk, labels are empty and nothing fails."""
    cgroups = Cgroups(None)
    cgroups.walk()
    assert ("", "") == cgroups(4242)
    assert ("", "") == cgroups(0)


@pytest.fixture
def started(root: Path) -> Iterator[Cgroups]:
    cgroups = Cgroups(root)
    cgroups.start()
    yield cgroups
    cgroups.stop()


def test_new_ones_are_learnt(root: Path, started: Cgroups) -> None:
    """A cgroup that comes later has its name soon, without a scrape."""
    late = root / "late.service"
    late.mkdir()
    deadline = time.monotonic() + 30
    while started(number(late)) != ("/late.service", ""):
        assert time.monotonic() < deadline
        time.sleep(0.01)
