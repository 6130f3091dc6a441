"""Passes of the iterator over the permission groups, for comparison with listeners."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fanotify_exporter.bpf.loaded import LoadedPermission
from fanotify_exporter.fsnotify.deadlocks import DeadlockDetector
from fanotify_exporter.fsnotify.task_iter import WaitIterator
from fanotify_exporter.fsnotify.waits import PermissionGroup, WaitScan
from tools.harness.processes import poll


Scan = Callable[[], WaitScan]


def make_scan(loaded: LoadedPermission) -> Scan:
    """Return a function that makes a pass; skip the test without an iterator."""
    if loaded.iterator_reason:
        pytest.skip(loaded.iterator_reason)
    return WaitIterator(loaded).scan


def scan_until(scan: Scan, comm: str, waiting: int) -> tuple[WaitScan, PermissionGroup]:
    """
    Scan until *waiting* tasks wait for the listener *comm*, and assert that.

    Return the last scan, and its only group of the listener.
    """

    def find(last: WaitScan) -> list[PermissionGroup]:
        return [group for group in last.groups if group.comm == comm]

    last = poll(scan, lambda got: [waiting] == [each.waiting for each in find(got)])
    assert [waiting] == [group.waiting for group in find(last)]
    return last, find(last)[0]


class Deadlocks:
    """The names of the deadlocked listeners, pass by pass."""

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._detector = DeadlockDetector()

    def __call__(self) -> list[str]:
        """Make a pass; return the listeners that are deadlocked."""
        scan = self._detector.observe(self._scan())
        groups = (each for each in scan.groups if each.address in scan.deadlocked)
        return sorted(group.comm for group in groups)
