"""Walks over folders that stand for a cgroup v2 hierarchy."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pytest

from fanotify_exporter.system import cgroup_walk
from fanotify_exporter.system.cgroup_walk import (
    MAX_DEPTH,
    CgroupWalk,
    Folder,
    container_id,
)


ID = "0123456789abcdef" * 4
OTHER_ID = "f" * 64
POD = "kubepods-besteffort-pod6e6f8dd2_8b05_44ec_9d3c_5d4f1ab28d1b.slice"


def paths(root: Path) -> list[str]:
    return [folder.path for folder in CgroupWalk(root)]


def container_of(root: Path, path: str) -> str:
    """Make the folder *path* and return the id of its container."""
    (root / path).mkdir(parents=True)
    (found,) = (folder for folder in CgroupWalk(root) if folder.path == f"/{path}")
    return container_id((found.container or found).name)


@pytest.mark.parametrize(
    "path",
    [
        f"system.slice/docker-{ID}.scope",
        f"docker/{ID}",
        f"docker/{ID}/init",
        f"kubepods.slice/kubepods-besteffort.slice/{POD}/cri-containerd-{ID}.scope",
        f"kubepods/burstable/pod6e6f8dd2-8b05-44ec-9d3c-5d4f1ab28d1b/{ID}",
        f"kubepods.slice/{POD}/crio-{ID}.scope",
        f"kubepods.slice/{POD}/crio-{ID}.scope/container",
        f"machine.slice/libpod-{ID}.scope",
        f"machine.slice/libpod-{ID}.scope/container",
        f"user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope",
        f"docker/{ID}/docker/{OTHER_ID}",
        f"docker/{ID}/a/b/docker-{OTHER_ID}.scope/c",
    ],
)
def test_container(path: str, tmp_path: Path) -> None:
    """The cgroup of each runtime has the container's id; of nested ones the outer."""
    assert ID == container_of(tmp_path, path)


@pytest.mark.parametrize(
    "path",
    [
        "system.slice/fapolicyd.service",
        "user.slice/user-1000.slice/session-1.scope",
        f"kubepods.slice/{POD}",
        f"kubepods.slice/{POD}/crio-conmon-{ID}.scope",
        f"machine.slice/libpod-conmon-{ID}.scope",
        f"docker/{ID[:63]}",
        f"docker/{ID}0",
        f"docker/{ID.upper()}",
    ],
)
def test_no_container(path: str, tmp_path: Path) -> None:
    """Services, sessions, pods and monitors of containers have no container id."""
    assert "" == container_of(tmp_path, path)


def test_root_of_the_hierarchy(tmp_path: Path) -> None:
    """The root has an empty path and no container."""
    (top,) = CgroupWalk(tmp_path)
    assert ("", 0, None) == (top.path, top.depth, top.container)
    assert tmp_path.stat().st_ino == top.number


def test_depth(tmp_path: Path) -> None:
    """Folders below the sixteenth are not found."""
    (tmp_path / "/".join("d" * 20)).mkdir(parents=True)
    assert MAX_DEPTH == max(folder.depth for folder in CgroupWalk(tmp_path))


LONG = "d" * 255


@pytest.fixture
def too_long(tmp_path: Path) -> Iterator[Path]:
    """Make nested folders beyond PATH_MAX, which pytest could not remove."""
    with chdir(tmp_path):
        for _ in range(17):
            Path(LONG).mkdir()
            os.chdir(LONG)
        yield tmp_path
        for _ in range(17):
            os.chdir("..")
            Path(LONG).rmdir()


def test_path_that_is_too_long(too_long: Path) -> None:
    """A walk ends without error at a folder whose path is too long for the kernel."""
    assert 14 <= max(folder.depth for folder in CgroupWalk(too_long)) <= MAX_DEPTH


@pytest.fixture
def delegated(tmp_path: Path) -> Path:
    """Return a folder of a user, beside folders of root of the same depth."""
    user = tmp_path / "user.slice/user-1000.slice"
    for name in ("a.slice/b.slice", "z.slice/y.slice"):
        (tmp_path / name).mkdir(parents=True)
    user.mkdir(parents=True)
    os.chown(user, 1000, 1000)
    return user


def test_folders_of_root_come_first(delegated: Path, tmp_path: Path) -> None:
    """However deep, folders of root come before what is in a user's folder."""
    (delegated / "x/y").mkdir(parents=True)
    (tmp_path / "a.slice/b.slice/c/d/e/f").mkdir(parents=True)
    found = list(CgroupWalk(tmp_path))
    trusted = [folder.trusted for folder in found]
    assert found.index(named(found, "f")) < found.index(named(found, "x"))
    assert [False, False, False] == [
        named(found, name).trusted for name in ("user-1000.slice", "x", "y")
    ]
    assert len(found) - 3 == sum(trusted)


def named(folders: list[Folder], name: str) -> Folder:
    (found,) = (folder for folder in folders if folder.name == name)
    return found


def test_time_for_folders_of_users(
    delegated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A walk ends soon after the folders of root, however many a user made."""
    for number in range(300):
        (delegated / f"{number}/child").mkdir(parents=True)
    monkeypatch.setattr(cgroup_walk, "USER_SECONDS", 0.0)
    started = time.thread_time()
    found = paths(tmp_path)
    assert time.thread_time() - started < 1
    assert {"/a.slice/b.slice", "/z.slice/y.slice"} <= set(found)
    assert len(found) < 300


def test_next_walk_goes_on(
    delegated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Walks that end early find all folders of users in the end, again and again."""
    for number in range(9):
        (delegated / f"{number}/child").mkdir(parents=True)
    monkeypatch.setattr(cgroup_walk, "USER_SECONDS", 0.0)
    walk = CgroupWalk(tmp_path)
    expected = {f"/{path.relative_to(tmp_path)}" for path in delegated.rglob("*")}
    for _ in range(2):
        found = {folder.path for _ in range(18) for folder in walk}
        assert expected <= found


def test_waiting_folders_of_users(
    delegated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a user's folders with subfolders, a bounded number is remembered."""
    monkeypatch.setattr(cgroup_walk, "MAX_WAITING", 7)
    monkeypatch.setattr(cgroup_walk, "USER_SECONDS", 60.0)
    for number in range(20):
        (delegated / f"{number}/child").mkdir(parents=True)
    found = paths(tmp_path)
    assert 20 == sum(path.count("/") == 3 and "user" in path for path in found)
    assert 7 == sum(path.endswith("/child") for path in found)


def test_container_of_root_is_not_trusted_inside(tmp_path: Path) -> None:
    """The root user of a container may own the container's cgroup."""
    (tmp_path / f"docker/{ID}/x").mkdir(parents=True)
    found = list(CgroupWalk(tmp_path))
    assert named(found, ID).trusted
    assert not named(found, "x").trusted


def test_leaves_are_not_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without subfolders, as its number of links says, is not listed."""
    for number in range(9):
        (tmp_path / f"{number}").mkdir()
    listed = []
    real = os.scandir

    def scandir(path: str) -> object:
        listed.append(path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert 10 == len(paths(tmp_path))
    if tmp_path.stat().st_nlink == 2 + 9:  # not on every filesystem
        assert [str(tmp_path)] == listed


def test_folder_that_is_removed_meanwhile(tmp_path: Path) -> None:
    """A folder that is removed during the walk does not end the walk."""
    for name in ("a", "b", "c"):
        (tmp_path / name / "child").mkdir(parents=True)
    found = []
    for folder in CgroupWalk(tmp_path):
        found.append(folder.name)
        if folder.depth == 1 and len(found) == 2:
            (tmp_path / folder.path.strip("/") / "child").rmdir()
    assert {"a", "b", "c"} <= set(found)
    assert 2 == found.count("child")
