"""The waiting tasks of a pass, by listener."""

from __future__ import annotations

from dataclasses import replace

from fanotify_exporter.fsnotify.waiting_tasks import (
    Listener,
    WaitingTasks,
    waiting_tasks,
)
from fanotify_exporter.fsnotify.waits import MAX_WAITERS, Waiter, WaitScan
from tools.harness.stall import HSM, SCANNED, WDAVDAEMON, stalled


def test_listeners_of_a_stall() -> None:
    """Each listener that tasks wait for is there once, the oldest wait first."""
    waits = waiting_tasks(stalled())
    assert [
        (Listener("wdavdaemon", 812, "content"), 34, SCANNED - 245),
        (Listener(HSM.comm, HSM.listener, "pre_content"), 2, SCANNED - 12),
        (Listener("", 0, ""), 1, SCANNED - 0.25),
    ] == [(each.listener, each.waiting, each.oldest_since) for each in waits]
    assert not any(each.is_cut for each in waits)


def test_two_groups_of_one_listener() -> None:
    """Tasks that wait for two groups of one listener are counted together."""
    other = replace(
        WDAVDAEMON,
        address=7,
        waiting=MAX_WAITERS,
        oldest_since=SCANNED - 900,
        is_cut=True,
    )
    (waits,) = waiting_tasks(WaitScan((WDAVDAEMON, other), (), SCANNED))
    assert (
        WaitingTasks(
            Listener("wdavdaemon", 812, "content"),
            34 + MAX_WAITERS,
            is_cut=True,
            oldest_since=SCANNED - 900,
            is_since_seen=False,
        )
        == waits
    )


def test_unseen_begin() -> None:
    """Only the oldest wait decides whether its begin was seen."""
    first, second, *rest = stalled().waiters
    assert second.is_since_seen
    scan = replace(stalled(), waiters=(second, *rest))
    assert [True, False, False] == [each.is_since_seen for each in waiting_tasks(scan)]
    scan = replace(stalled(), waiters=(first, second, *rest))
    assert not any(each.is_since_seen for each in waiting_tasks(scan))


def test_no_waits() -> None:
    """Without a waiting task no listener is there."""
    idle = replace(WDAVDAEMON, waiting=0, oldest_since=None)
    assert [] == waiting_tasks(WaitScan((idle,), (), SCANNED))


def test_groups_that_agree() -> None:
    """A task that waits for one of several groups has the name that all groups have."""
    groups = WDAVDAEMON, replace(WDAVDAEMON, address=7, listener=9, waiting=0)
    waiter = Waiter(5, 5, "cat", 0, SCANNED - 3, cgroup=1)
    waits = waiting_tasks(WaitScan(groups, (waiter,), SCANNED, is_exact=False))
    assert [
        (Listener("wdavdaemon", 812, "content"), 34),
        (Listener("wdavdaemon", 0, "content"), 1),
    ] == [(each.listener, each.waiting) for each in waits]
