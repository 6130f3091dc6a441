"""Details of calls: times, names of new cgroups, files of descriptors."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from fanotify_exporter.bpf.call_records import parse
from fanotify_exporter.commands import call_details
from fanotify_exporter.commands.call_details import CallDetails, read_link
from fanotify_exporter.system.cgroups import Cgroups
from tools.harness.call_records import make_record


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder in the place of the cgroup v2 hierarchy."""
    monkeypatch.setattr(call_details, "find_cgroup_root", lambda: tmp_path)
    return tmp_path


def test_time() -> None:
    """The time of a call is the wall clock's, by the time since the boot."""
    boot_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    before = time.time_ns()
    shown = CallDetails(container=False, resolve=False).add(
        parse(make_record(time_ns=boot_ns))
    )
    assert abs(shown.unix_ns - before) < 1_000_000_000
    assert (None, None, None) == (shown.cgroup, shown.fd_path, shown.dirfd_path)


def test_new_cgroup(root: Path) -> None:
    """The name of a cgroup that was made just before the call is known."""
    details = CallDetails(container=True, resolve=False)
    for name in ("one.scope", "two.scope"):
        folder = root / name
        folder.mkdir()
        details._next_walk = 0.0
        shown = details.add(parse(make_record(cgroup=folder.stat().st_ino)))
        assert (f"/{name}", "") == shown.cgroup


def test_walks_are_rare(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls from cgroups that are gone cause no walk each."""
    walks = 0
    walk = Cgroups.walk

    def count(cgroups: Cgroups) -> None:
        nonlocal walks
        walks += 1
        for number in range(1000):
            (root / f"{walks}-{number}").mkdir()
        walk(cgroups)

    monkeypatch.setattr(Cgroups, "walk", count)
    details = CallDetails(container=True, resolve=False)
    for number in range(1 << 40, (1 << 40) + 50):
        shown = details.add(parse(make_record(cgroup=number)))
        assert (f"[unknown: {number}]", "") == shown.cgroup
    assert 1 == walks


def test_files_of_descriptors(tmp_path: Path) -> None:
    """Descriptors and the working directory are those of the calling thread."""
    details = CallDetails(container=False, resolve=True)
    folder = os.open(tmp_path, os.O_RDONLY)
    tid = threading.get_native_id()
    mark = details.add(parse(make_record(tid=tid, fd=folder, dirfd=-100)))
    assert (str(tmp_path), str(Path.cwd())) == (mark.fd_path, mark.dirfd_path)
    watch = details.add(parse(make_record("inotify_add_watch", tid=tid, fd=folder)))
    assert (str(tmp_path), None) == (watch.fd_path, watch.dirfd_path)
    made = details.add(parse(make_record("fanotify_init", tid=tid, fd=folder)))
    assert (None, None) == (made.fd_path, made.dirfd_path)
    os.close(folder)
    gone = details.add(parse(make_record(tid=tid, fd=folder, dirfd=folder)))
    assert (None, None) == (gone.fd_path, gone.dirfd_path)


def test_hostile_link(tmp_path: Path) -> None:
    """Control characters in the name of a file are escaped."""
    path = tmp_path / "\x1b[31m"
    path.touch()
    fd = os.open(path, os.O_RDONLY)
    assert rf"{tmp_path}/\x1b[31m" == read_link(os.getpid(), f"fd/{fd}")
    os.close(fd)
