"""The mounts of the host that marks can cover."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fanotify_exporter.fsnotify import mount_table as module
from fanotify_exporter.fsnotify.mount_table import (
    PSEUDO_FILESYSTEMS,
    MountScanner,
    mount_table,
)
from fanotify_exporter.procfs.mountinfo import Mount
from tools import CHECKOUT
from tools.harness.golden import PROC


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


def test_buried_mounts() -> None:
    """A mount on a folder above hides a mount, and all mounts on the hidden mount."""
    mounts = [
        Mount(1, 1, 1, b"rootfs", b"/"),
        Mount(2, 1, 2, b"ext4", b"/"),
        Mount(3, 2, 3, b"tmpfs", b"/a/b"),
        Mount(4, 3, 4, b"tmpfs", b"/a/b/c/d"),
        Mount(5, 4, 5, b"tmpfs", b"/a/b/c/d"),
        Mount(6, 2, 6, b"tmpfs", b"/a"),
        Mount(7, 6, 7, b"tmpfs", b"/a/b"),
        Mount(8, 2, 8, b"tmpfs", b"/ab"),
    ]
    for each in (mounts, mounts[::-1]):
        assert {2, 6, 7, 8} == mount_table(each).mounts.keys()


def test_scanner() -> None:
    """A poll reads the mounts of process 1."""
    table = MountScanner(PROC).poll()
    assert {b"ext4": 3, b"tmpfs": 1, b"btrfs": 2, b"overlay": 1, b"fuse": 1} == (
        table.fstypes
    )
    assert (27, 42) == table.by_device[0xFE00000]


def test_too_many_mounts(monkeypatch: pytest.MonkeyPatch) -> None:
    """More mounts than the bound are an error, and no wrong number."""
    monkeypatch.setattr(module, "MAX_MOUNTS", 12)
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
    assert names == {each.decode() for each in PSEUDO_FILESYSTEMS}
