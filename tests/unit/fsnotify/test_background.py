"""Polls in a thread of their own, and the result of the latest."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fanotify_exporter.fsnotify.background import BackgroundScan
from fanotify_exporter.fsnotify.group_scan import GroupScanner
from fanotify_exporter.fsnotify.model import GroupScan
from fanotify_exporter.fsnotify.proc_scan import ProcScan
from tools.harness.proc_folder import EMPTY_GROUP, MARK, ProcFolder


class QuickScanner(GroupScanner):
    """A scanner of a folder that a thread polls without delay."""

    def __init__(self, proc: Path) -> None:
        super().__init__(ProcScan(proc), proc)

    def delay(self) -> float:
        return 0.001


@pytest.fixture
def background(tmp_path: Path) -> Iterator[BackgroundScan[GroupScan]]:
    """Give a scan of the folder proc, to be started by the test."""
    background = BackgroundScan(QuickScanner(tmp_path / "proc"), "groups", max_age=60.0)
    yield background
    background.stop()


def wait(
    background: BackgroundScan[GroupScan], until: Callable[[object], object]
) -> object:
    """Return the latest result, or the error instead, once *until* accepts it."""
    deadline = time.monotonic() + 10
    while True:
        try:
            latest: object = background.latest()
        except RuntimeError as error:
            latest = error
        if until(latest) or time.monotonic() > deadline:
            return latest
        time.sleep(0.001)


def comms(latest: object) -> list[str]:
    assert isinstance(latest, GroupScan)
    return [owned.comm for owned in latest.groups]


def test_polls_until_stopped(
    background: BackgroundScan[GroupScan], tmp_path: Path
) -> None:
    """The thread polls at once and again and again, and ends when stopped."""
    proc = ProcFolder(tmp_path / "proc")
    proc.start(812, {4: EMPTY_GROUP + MARK}, comm=b"listener")
    assert background.latest() is None
    background.start()
    first = wait(background, bool)
    assert ["listener"] == comms(first)
    proc.end(812)
    assert [] == comms(wait(background, lambda latest: not comms(latest)))
    background.stop()
    assert "groups" not in {thread.name for thread in threading.enumerate()}


def test_failed_poll(background: BackgroundScan[GroupScan], tmp_path: Path) -> None:
    """Each reading raises the error of a failed poll until a poll succeeds."""
    background.start()
    failed = wait(background, bool)
    assert isinstance(failed, RuntimeError)
    assert "scanning for groups failed: [Errno 2] No such file" in str(failed)
    proc = ProcFolder(tmp_path / "new")
    proc.start(812, {4: EMPTY_GROUP}, comm=b"listener")
    proc.path.rename(tmp_path / "proc")
    found = wait(background, lambda latest: isinstance(latest, GroupScan))
    assert ["listener"] == comms(found)


def test_subject(tmp_path: Path) -> None:
    """The thread and the error name what is scanned for."""
    background = BackgroundScan(
        QuickScanner(tmp_path / "proc"), "waiting tasks", max_age=60.0
    )
    background.start()
    assert "waiting tasks" in {thread.name for thread in threading.enumerate()}
    assert "scanning for waiting tasks failed: " in str(wait(background, bool))
    background.stop()


class HeldScanner:
    """A scanner whose polls take until the test lets them end; counts the polls."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.ending = threading.Semaphore(0)
        self.polls = 0

    def poll(self) -> int:
        self.begun.release()
        assert self.ending.acquire(timeout=10)
        self.polls += 1
        return self.polls

    def delay(self) -> float:
        return 0.0


@dataclass
class Clock:
    """A clock that the test sets."""

    seconds: float = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_hanging_poll() -> None:
    """While polls hang the result is refused, the first too; then it is there again."""
    scanner, now = HeldScanner(), Clock()
    background = BackgroundScan(scanner, "waits", max_age=30.0, now=now)
    background.start()
    assert scanner.begun.acquire(timeout=10)
    now.seconds = 130.0
    assert background.latest() is None
    now.seconds = 131.0
    with pytest.raises(RuntimeError, match=r"scanning for waits hangs: .* last 31 s"):
        background.latest()

    # The poll took 31 s: three times that is not too old.
    scanner.ending.release()
    assert scanner.begun.acquire(timeout=10)
    now.seconds = 193.0
    assert 1 == background.latest()
    now.seconds = 194.0
    with pytest.raises(RuntimeError, match="hangs"):
        background.latest()

    # The second poll began at 131 s or later, and ends now.
    scanner.ending.release()
    assert scanner.begun.acquire(timeout=10)
    assert 2 == background.latest()
    scanner.ending.release(100)
    background.stop()
