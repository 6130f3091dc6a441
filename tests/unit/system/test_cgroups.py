"""Names of cgroups by id, from folders that stand for a cgroup v2 hierarchy."""

from __future__ import annotations

import inspect
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from threading import Event

import pytest

from fanotify_exporter.system import cgroups as cgroups_module
from fanotify_exporter.system.cgroups import Cgroups, container_id, walk
from fanotify_exporter.system.cpu_budget import CpuBudget


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
    """The cgroup of each runtime has the container's id; of nested ones the inner."""
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
    """Services, sessions, pods and monitors of containers have no container id."""
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
    """Each folder has a name by its inode number; files have none."""
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
    """Bytes of a name that are not UTF-8 become escapes."""
    folder = root / os.fsdecode(b"box\xe9 \xc3\xa9\\x2d")
    folder.mkdir()
    cgroups = Cgroups(root)
    cgroups.walk()
    assert ("/box\\xe9 \u00e9\\x2d", "") == cgroups(number(folder))


DEEP = "d" * 19


@pytest.fixture
def depth(root: Path) -> Iterator[int]:
    """Make nested folders beyond PATH_MAX, which pytest could not remove."""
    depth = 220
    with chdir(root):
        for _ in range(depth):
            Path(DEEP).mkdir()
            os.chdir(DEEP)
        yield depth
        for _ in range(depth):
            os.chdir("..")
            Path(DEEP).rmdir()


@pytest.fixture
def _small_stack() -> Iterator[None]:
    """Leave room for 100 more calls on Python's stack."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 100)
    yield
    sys.setrecursionlimit(limit)


@pytest.mark.usefixtures("_small_stack")
def test_deep_folders(root: Path, depth: int) -> None:
    """A walk ends without error at folders deeper than PATH_MAX and Python's stack."""
    deepest = max(path.count(DEEP) for _, path in walk(root))
    assert 150 < deepest < depth


def test_gone_container_keeps_its_name(root: Path) -> None:
    """The name of a removed cgroup stays known."""
    container = root / f"docker/{ID}"
    cgroups, gone = Cgroups(root), number(container)
    cgroups.walk()
    shutil.rmtree(container)
    cgroups.walk()
    assert (f"/docker/{ID}", ID) == cgroups(gone)


def test_memory_is_bounded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With too many names, those of removed cgroups go first."""
    monkeypatch.setattr(cgroups_module, "MAX_NAMES", 5)
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
    """Without cgroup v2 both labels are empty."""
    cgroups = Cgroups(None)
    cgroups.walk()
    assert ("", "") == cgroups(4242)
    assert ("", "") == cgroups(0)


@pytest.fixture
def started(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cgroups]:
    monkeypatch.setattr(cgroups_module, "WALKS", CpuBudget(share=0.5, min_delay=0.01))
    cgroups = Cgroups(root)
    cgroups.start()
    yield cgroups
    cgroups.stop()


def test_new_cgroup_is_found(root: Path, started: Cgroups) -> None:
    """The thread finds a cgroup that was made after the start."""
    late = root / "late.service"
    late.mkdir()
    deadline = time.monotonic() + 30
    while started(number(late)) != ("/late.service", ""):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_walks_take_little_cpu(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A walk of 0.1 s of CPU time is followed by 5 s of rest, a cheap walk by 1 s."""
    cpu_times = iter([0.0, 0.1, 0.1, 0.101])
    delays: list[float] = []

    class Stopped(Event):
        def wait(self, timeout: float | None = None) -> bool:
            delays.append(timeout or 0)
            return len(delays) == 3

    monkeypatch.setattr(time, "thread_time", lambda: next(cpu_times))
    cgroups = Cgroups(root)
    cgroups._stopped = Stopped()
    cgroups._run()
    assert pytest.approx([1.0, 5.0, 1.0]) == delays
