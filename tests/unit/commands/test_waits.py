"""From a pass over the waiting tasks to rows of the landing page."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fanotify_exporter.collectors.wait_warnings import WaitWarnings
from fanotify_exporter.commands.waits import MAX_ROWS, ObservedWaits, reading_waits
from fanotify_exporter.fsnotify.deadlocks import DeadlockDetector
from fanotify_exporter.fsnotify.waits import PermissionGroup, Waiter, WaitScan
from fanotify_exporter.landing.waits import Age, ListenerRow, WaitRow, Waits
from tools.harness.stall import SCANNED, container, stalled


def rows(scan: WaitScan, *, names: bool = True, now: float = SCANNED) -> Waits:
    waits = reading_waits(lambda: scan, container if names else None, lambda: now)()
    assert waits
    return waits


def test_rows_of_a_stall() -> None:
    """The ten oldest waits have a row, and each listener."""
    waits = rows(stalled(), now=SCANNED + 1.5)
    assert (
        WaitRow("bash", 5000, 5000, "ab" * 32, Age(245.0), "wdavdaemon", "content")
        == waits.tasks[0]
    )
    assert Age(239.0, is_least=True) == waits.tasks[1].age
    assert MAX_ROWS == len(waits.tasks)
    assert (
        ListenerRow("wdavdaemon", 812, "content", 34, is_cut=False, oldest=Age(245.0))
        == waits.listeners[0]
    )
    assert (3, 37, 0, 1.5) == (
        len(waits.listeners),
        waits.waiting,
        waits.omitted_listeners,
        waits.seconds_ago,
    )


def test_unknown_listener() -> None:
    """A task whose group is not in the pass waits for an unknown listener."""
    last = replace(stalled(), waiters=stalled().waiters[-1:])
    assert ("", "") == (rows(last).tasks[0].listener, rows(last).tasks[0].group_class)


@pytest.mark.parametrize(
    ("index", "names", "start"),
    [(0, True, "abab"), (1, True, "/system.slice/"), (2, True, ""), (0, False, "")],
)
def test_container(index: int, names: bool, start: str) -> None:  # noqa: FBT001
    """The container id, else the path, else nothing; nothing without the flag."""
    shown = rows(stalled(), names=names).tasks[index].container
    assert shown.startswith(start)
    assert bool(start) == bool(shown)


def test_many_listeners() -> None:
    """At most MAX_ROWS listeners have a row, and the tasks of all are counted."""
    groups = tuple(
        PermissionGroup(n, f"l{n}", "content", n, frozenset(), 2, 9.0 - n / 10, 0)
        for n in range(1, 31)
    )
    waits = rows(WaitScan(groups, (), 10.0))
    assert (MAX_ROWS, 20, 60) == (
        len(waits.listeners),
        waits.omitted_listeners,
        waits.waiting,
    )
    assert "l30" == waits.listeners[0].comm


def test_wait_that_began_during_the_pass() -> None:
    """No age is below 0."""
    waiter = Waiter(7, 7, "cat", 0, SCANNED + 0.5)
    waits = rows(WaitScan((), (waiter,), SCANNED))
    assert (0.0, 0.0) == (waits.tasks[0].age.seconds, waits.listeners[0].oldest.seconds)


def test_without_a_pass() -> None:
    """Before the first pass, and while passes fail, nothing is known."""

    def fail() -> None:
        raise RuntimeError("no")

    assert reading_waits(lambda: None)() is None
    assert reading_waits(fail)() is None


def test_observed_pass() -> None:
    """A pass has the time at which the pass began."""

    class Scanner:
        def poll(self) -> WaitScan:
            times.append(1_750_000_009.0)
            return WaitScan((), (), 100.0)

        def delay(self) -> float:
            return 1.5

    times = [1_750_000_000.0]
    observed = ObservedWaits(
        Scanner(), DeadlockDetector(), WaitWarnings(), lambda: times[-1]
    )
    assert 1_750_000_000.0 == observed.poll().unix_time
    assert 1_750_000_009.0 == observed.poll().unix_time
    assert 1.5 == observed.delay()
