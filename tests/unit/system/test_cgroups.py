"""Names of cgroups by id, from folders that stand for a cgroup v2 hierarchy."""

from __future__ import annotations

import os
import shutil
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from fanotify_exporter.system import cgroup_walk
from fanotify_exporter.system import cgroups as cgroups_module
from fanotify_exporter.system.cgroup_walk import CgroupWalk
from fanotify_exporter.system.cgroups import Cgroups, path_text
from fanotify_exporter.system.cpu_budget import CpuBudget


ID = "0123456789abcdef" * 4


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
    """Bytes that are not UTF-8 and backslashes become escapes."""
    folder = root / os.fsdecode(b"box\xe9 \xc3\xa9\\x2d")
    folder.mkdir()
    cgroups = Cgroups(root)
    cgroups.walk()
    assert ("/box\\xe9 \u00e9\\\\x2d", "") == cgroups(number(folder))


def test_different_paths_stay_different(root: Path) -> None:
    r"""The byte 0xff and the text "\xff" are two names."""
    folders = [root / os.fsdecode(name) for name in (b"\xff", b"\\xff", b"\\\xff")]
    for folder in folders:
        folder.mkdir()
    cgroups = Cgroups(root)
    cgroups.walk()
    assert 3 == len({cgroups(number(folder))[0] for folder in folders})


@pytest.mark.parametrize(
    "letter", [b"a", b"\xff", "\u00e9".encode(), b"\xf0\x9f\x90\x82"]
)
def test_long_path(letter: bytes) -> None:
    """Of a path longer than 256 characters the first 256 and a hash are left."""
    fits = b"/" + letter * (255 // len(path_text(letter)))
    assert "[+" not in path_text(fits)
    ends = (b"x" * 9, b"x" * 3000, b"x" * 8 + b"y")
    texts = {path_text(fits + end) for end in ends}
    assert 3 == len(texts)
    assert 1 == len({text[:256] for text in texts})
    assert {256 + len("[+]") + 32} == {len(text) for text in texts}


def test_cgroups_in_a_container_have_its_name(root: Path) -> None:
    """Names that a container chooses do not show, nor a second container's id."""
    inner = root / f"docker/{ID}/docker-{'f' * 64}.scope/deeper"
    inner.mkdir(parents=True)
    cgroups = Cgroups(root)
    cgroups.walk()
    for folder in (inner, inner.parent, inner.parent.parent):
        assert (f"/docker/{ID}", ID) == cgroups(number(folder))


def test_gone_container_keeps_its_name(root: Path) -> None:
    """The name of a removed cgroup stays known."""
    container = root / f"docker/{ID}"
    cgroups, gone = Cgroups(root), number(container)
    cgroups.walk()
    shutil.rmtree(container)
    cgroups.walk()
    assert (f"/docker/{ID}", ID) == cgroups(gone)


def test_removed_cgroups_are_forgotten_first(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With too many bytes of names, those of removed cgroups go first."""
    monkeypatch.setattr(cgroups_module, "MAX_BYTES", 2250)
    cgroups = Cgroups(root)
    gone = number(root / f"docker/{ID}")
    cgroups.walk()
    assert (f"/docker/{ID}", ID) == cgroups(gone)
    (root / "new.slice").mkdir()  # before the removal, or it may get the same inode
    shutil.rmtree(root / f"docker/{ID}")
    cgroups.walk()
    assert ("/new.slice", "") == cgroups(number(root / "new.slice"))
    assert ("/docker", "") == cgroups(number(root / "docker"))
    assert (f"[unknown: {gone}]", "") == cgroups(gone)


def test_too_many_cgroups(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the names of existing cgroups are too many, the higher cgroups have names."""
    for n in range(30):
        (root / f"system.slice/{n}.service").mkdir()
    monkeypatch.setattr(cgroups_module, "MAX_BYTES", 4000)
    cgroups = Cgroups(root)
    for _ in range(3):
        cgroups.walk()
        assert ("/", "") == cgroups(number(root))
        assert ("/docker", "") == cgroups(number(root / "docker"))
        services = [cgroups(number(each)) for each in (root / "system.slice").iterdir()]
        assert 0 < sum(path.startswith("/") for path, _ in services) < 10


def test_memory_is_bounded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A user with 5,000 cgroups of long names costs no more than the users' share.

    The names of root's cgroups stay.
    """
    user = root / "user.slice"
    user.mkdir()
    for n in range(5000):
        (user / os.fsdecode(b"%04d" % n + b"\xff" * 250)).mkdir()
    os.chown(user, 1000, 1000)
    monkeypatch.setattr(cgroup_walk, "USER_SECONDS", 60.0)
    cgroups = Cgroups(root)
    tracemalloc.start()
    cgroups.walk()
    cgroups.walk()
    used, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.5 * cgroups_module.MAX_USER_BYTES < used < cgroups_module.MAX_USER_BYTES
    assert peak < 1.5 * cgroups_module.MAX_USER_BYTES
    assert ("/system.slice/clamd.service", "") == cgroups(
        number(root / "system.slice/clamd.service")
    )


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
    monkeypatch.setattr(cgroups, "walk", lambda: None)
    cgroups._stopped = Stopped()
    cgroups._run()
    assert pytest.approx([1.0, 5.0, 1.0]) == delays


def test_failing_walks(
    root: Path,
    started: Cgroups,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A walk that fails is logged once and does not end the thread."""
    failures = []

    def fail(_: CgroupWalk) -> Iterator[None]:
        failures.append(1)
        raise ValueError("unexpected")
        yield

    with monkeypatch.context() as patch:
        patch.setattr(CgroupWalk, "__iter__", fail)
        while len(failures) < 3:
            time.sleep(0.01)
    assert ["ValueError: unexpected"] == [
        getattr(record, "reason", "") for record in caplog.records
    ]
    (root / "late.service").mkdir()
    deadline = time.monotonic() + 30
    while started(number(root / "late.service")) != ("/late.service", ""):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_root_that_is_missing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A hierarchy that is not mounted any more does not end the start."""
    cgroups = Cgroups(tmp_path / "none")
    cgroups.start()
    cgroups.stop()
    assert "cannot read the names of cgroups" in caplog.text
