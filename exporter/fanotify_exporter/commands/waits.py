"""Turn a pass over the waiting tasks into rows of the landing page."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from fanotify_exporter.collectors.wait_warnings import WaitWarnings
from fanotify_exporter.fsnotify.background import Scanner
from fanotify_exporter.fsnotify.deadlocks import DeadlockDetector
from fanotify_exporter.fsnotify.waiting_tasks import (
    Listener,
    find_listener,
    waiting_tasks,
)
from fanotify_exporter.fsnotify.waits import Waiter, WaitScan
from fanotify_exporter.landing.waits import Age, ListenerRow, WaitRow, Waits


# Rows of each table, so that the tables fit on one screen.
MAX_ROWS = 10

# Returns the path and the container id for the id of a cgroup, "" if unknown.
Container = Callable[[int], tuple[str, str]]


def reading_waits(
    latest: Callable[[], WaitScan | None],
    container: Container | None = None,
    clock: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
) -> Callable[[], Waits | None]:
    """
    Return the function that the landing page calls for the waiting tasks.

    The function returns None before the first pass, and while passes fail: then the
    collector permission fails too, and the page says so.

    Args:
        latest: returns the latest pass, None before the first; raises RuntimeError if
            the latest pass failed.
        container: names of cgroups, None without --label.container.
        clock: returns CLOCK_BOOTTIME in seconds.
    """

    def read() -> Waits | None:
        try:
            scan = latest()
        except RuntimeError:
            return None
        return None if scan is None else to_rows(scan, container, clock())

    return read


def to_rows(scan: WaitScan, container: Container | None, now: float) -> Waits:
    """Return *scan* as rows; ages are those at the time of the scan."""
    listener_for = find_listener(scan)
    waits = waiting_tasks(scan)
    return Waits(
        listeners=[
            ListenerRow(
                each.listener.comm,
                each.listener.pid,
                each.listener.group_class,
                each.waiting,
                each.is_cut,
                _age(scan, each.oldest_since, is_least=each.is_since_seen),
            )
            for each in waits[:MAX_ROWS]
        ],
        tasks=[
            _task(waiter, listener_for(waiter), scan, container)
            for waiter in scan.waiters[:MAX_ROWS]
        ],
        omitted_listeners=max(0, len(waits) - MAX_ROWS),
        waiting=sum(each.waiting for each in waits),
        seconds_ago=max(0.0, now - scan.scanned),
        is_exact=scan.is_exact,
    )


def _task(
    waiter: Waiter, listener: Listener, scan: WaitScan, container: Container | None
) -> WaitRow:
    return WaitRow(
        waiter.comm,
        waiter.pid,
        waiter.tid,
        _name(container, waiter.cgroup),
        _age(scan, waiter.since, is_least=waiter.is_since_seen),
        listener.comm,
        listener.group_class,
    )


def _age(scan: WaitScan, since: float, *, is_least: bool) -> Age:
    # A task may begin to wait while a pass goes on.
    return Age(max(0.0, scan.scanned - since), is_least)


def _name(container: Container | None, cgroup: int) -> str:
    if container is None or not cgroup:
        return ""
    path, container_id = container(cgroup)
    return container_id or path


class ObservedWaits:
    """A scanner of waiting tasks, with what follows from successive passes."""

    def __init__(
        self,
        scanner: Scanner[WaitScan],
        detector: DeadlockDetector,
        warnings: WaitWarnings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """
        Let *detector* complete each pass of *scanner*, and *warnings* log.

        Args:
            clock: returns the Unix time in seconds.
        """
        self._scanner = scanner
        self._detector = detector
        self._warnings = warnings
        self._clock = clock

    def poll(self) -> WaitScan:
        """
        Return the next pass, with deadlocked listeners and the time of its begin.

        Raises:
            OSError: the kernel refuses the pass.
            RuntimeError: the scan for groups failed.
        """
        began = self._clock()
        scan = self._detector.observe(self._scanner.poll())
        scan = replace(scan, unix_time=began)
        self._warnings.observe(scan)
        return scan

    def delay(self) -> float:
        """Return the seconds to wait until the next pass."""
        return self._scanner.delay()
