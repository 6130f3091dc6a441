"""Listeners that wait for each other or for themselves are found in later passes."""

from __future__ import annotations

import time
from pathlib import Path

from fanotify_exporter.fsnotify.deadlocks import (
    MIN_SECONDS,
    UNCHANGED_SECONDS,
    listener_waits,
)
from tools.harness.permission.listener import Listener, listening
from tools.harness.permission.opener import opening
from tools.harness.permission.scans import Deadlocks, Scan, scan_until
from tools.harness.processes import poll


def edges(scan: Scan) -> set[tuple[str, str]]:
    """Return which listener waits for which, by comm."""
    return {(wait.group.comm, wait.on.comm) for wait in listener_waits(scan())}


def test_pair_and_a_third(
    scan: Scan, listener: Listener, peer: Listener, scratch: Path, other: Path
) -> None:
    """Two listeners wait for each other, and a third for one of the two."""
    with listening() as third:
        listener.open(other)
        peer.open(scratch)
        third.open(scratch)
        listener.await_queued(2)
        peer.await_queued(1)
        expected = sorted((listener.comm, peer.comm))
        found = poll(Deadlocks(scan), lambda got: got == expected, seconds=60)
        waits = edges(scan)
        # An answer ends the deadlock: the listener's thread goes on.
        peer.serve(1)
        after = poll(Deadlocks(scan), lambda got: not got)

    assert expected == found
    assert {
        (listener.comm, peer.comm),
        (peer.comm, listener.comm),
        (third.comm, listener.comm),
    } == waits
    assert [] == after


def test_third_listener_that_only_waits(
    scan: Scan, listener: Listener, peer: Listener, scratch: Path, other: Path
) -> None:
    """A listener that waits for another that does not answer is in no deadlock."""
    peer.open(scratch)
    listener.await_queued(1)
    deadlocks = Deadlocks(scan)
    found = [deadlocks()]
    for seconds in (MIN_SECONDS + 1, UNCHANGED_SECONDS + 1):
        time.sleep(seconds)
        found.append(deadlocks())

    assert [[], [], []] == found
    assert {(peer.comm, listener.comm)} == edges(scan)
    assert 0 == peer.queued()
    del other


def test_listener_that_waits_for_itself(
    scan: Scan, listener: Listener, scratch: Path
) -> None:
    """A listener that opens its own marked file is deadlocked alone."""
    listener.open(scratch)
    listener.await_queued(1)
    deadlocks = Deadlocks(scan)

    assert [] == deadlocks(), "one pass cannot tell"
    found = poll(deadlocks, lambda got: got == [listener.comm], seconds=60)
    assert [listener.comm] == found
    assert {(listener.comm, listener.comm)} == edges(scan)


def test_crowd_does_not_hide_a_deadlock(
    scan: Scan, listener: Listener, peer: Listener, scratch: Path, other: Path
) -> None:
    """A deadlock is found if 300 tasks have waited longer than the listeners."""
    with opening(scratch, tasks=300) as opener:
        listener.await_queued(300)
        scan_until(scan, listener.comm, 300)
        listener.open(other)
        peer.open(scratch)
        listener.await_queued(301)
        peer.await_queued(1)
        expected = sorted((listener.comm, peer.comm))
        found = poll(Deadlocks(scan), lambda got: got == expected, seconds=30)
        peer.kill()
        listener.kill()
        opener.finish()

    assert expected == found
