"""Passes of the iterator: which tasks wait now, since when, for which listener."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from fanotify_exporter.fsnotify.waits import MAX_WAITERS
from fanotify_exporter.system.machine import kernel_version
from tools.harness.permission.counted import Counted
from tools.harness.permission.listener import Listener, listening
from tools.harness.permission.loading import attached
from tools.harness.permission.opener import opening
from tools.harness.permission.scans import Scan, make_scan, scan_until


def test_nobody_waits(scan: Scan, listener: Listener) -> None:
    """A group without waiters is in a scan, with its listener."""
    _, group = scan_until(scan, listener.comm, 0)

    assert "content" == group.group_class
    assert {listener.pid} == group.holders
    assert group.oldest_since is None
    assert not group.is_cut


def test_waiters(
    counted: Counted, scan: Scan, listener: Listener, scratch: Path
) -> None:
    """Each of 64 waiting threads is listed, with its name, process and time."""
    with opening(scratch, tasks=64) as opener:
        opener.await_waiting(64)
        last, group = scan_until(scan, listener.comm, 64)
        waiters = [each for each in last.waiters if each.group == group.address]
        # Half of the waiters go.
        listener.serve(32)
        opener.await_accesses(32)
        scan_until(scan, listener.comm, 32)
        counts = listener.serve(32)
        starts = {access.tid: access.start for access in opener.finish()}
        scan_until(scan, listener.comm, 0)

    # A skipped program at the begin of a wait: the time is that of the scan.
    skips = counted.lost("permission_wait")["no_begin"]
    assert set(opener.tids) == {each.tid for each in waiters}
    assert {(opener.pid, opener.comm)} == {(each.pid, each.comm) for each in waiters}
    assert waiters == sorted(waiters, key=lambda each: each.since)
    assert group.oldest_since == waiters[0].since
    assert sum(each.is_since_seen for each in waiters) <= skips
    for each in waiters:
        assert starts[each.tid] <= each.since <= last.scanned or each.is_since_seen
    counted.agree(listener, counts, answered=64)


def test_many_waiters(
    counted: Counted, scan: Scan, listener: Listener, scratch: Path
) -> None:
    """1,000 waiters are counted and listed exactly."""
    tasks = 1000
    with opening(scratch, tasks=tasks) as opener:
        listener.await_queued(tasks)
        last, group = scan_until(scan, listener.comm, tasks)
        listed = [each for each in last.waiters if each.group == group.address]
        listener.read(tasks)
        scan_until(scan, listener.comm, tasks)
        counts = listener.answer(tasks)
        starts = sorted(access.start for access in opener.finish())

    assert not group.is_cut
    assert sorted(opener.tids) == sorted(each.tid for each in listed)
    assert group.oldest_since == listed[0].since
    assert starts[0] <= listed[0].since
    counted.agree(listener, counts, answered=tasks)


def test_more_waiters_than_counted(
    counted: Counted, scan: Scan, listener: Listener, scratch: Path
) -> None:
    """Of more than 4,096 waiters, a scan counts 4,096 and says so."""
    if (5, 11) <= kernel_version() < (7, 0):
        pytest.skip("tested on the oldest and the newest kernel only")
    with (
        opening(scratch, tasks=MAX_WAITERS // 2) as one,
        opening(scratch, tasks=MAX_WAITERS // 2) as two,
    ):
        listener.await_queued(MAX_WAITERS)
        _, full = scan_until(scan, listener.comm, MAX_WAITERS)
        with opening(scratch, tasks=3) as three:
            listener.await_queued(MAX_WAITERS + 3)
            _, cut = scan_until(scan, listener.comm, MAX_WAITERS)
            counts = listener.counts()
            listener.kill()
            for opener in (one, two, three):
                opener.finish()

    assert not full.is_cut
    assert cut.is_cut
    counted.agree(listener, counts, listener_closed=MAX_WAITERS + 3)


def test_killed_waiters_are_gone(
    counted: Counted, scan: Scan, listener: Listener, scratch: Path
) -> None:
    """A killed task no longer waits, whether the listener has read the event or not."""
    with opening(scratch, tasks=6, kind="processes") as opener:
        opener.await_waiting(6)
        listener.read(3)
        scan_until(scan, listener.comm, 6)
        for tid in opener.tids:
            opener.kill_task(tid)
        opener.finish()
        last, _ = scan_until(scan, listener.comm, 0)

    assert not {each.tid for each in last.waiters} & set(opener.tids)
    counted.agree(listener, killed=6)


def test_copies_are_one_group(
    counted: Counted, scan: Scan, listener: Listener, scratch: Path
) -> None:
    """A group that is copied and shared is one group with two holders."""
    listener.dup()
    child = listener.fork()
    with opening(scratch, tasks=2) as opener:
        opener.await_waiting(2)
        _, group = scan_until(scan, listener.comm, 2)
        counts = listener.serve(2)
        opener.finish()

    assert {listener.pid, child} == group.holders
    counted.agree(listener, counts, answered=2)


def test_closed_group_is_gone(scan: Scan, listener: Listener, scratch: Path) -> None:
    """After its end, a listener's group is in no scan; the next group has its own."""
    _, first = scan_until(scan, listener.comm, 0)
    listener.kill()
    with listening() as second:
        second.mark(scratch)
        with opening(scratch) as opener:
            last, group = scan_until(scan, second.comm, 1)
            second.serve(1)
            opener.finish()

    assert {listener.pid} == first.holders
    assert {second.pid} == group.holders
    assert listener.comm not in {each.comm for each in last.groups}


def test_listener_that_answers(scan: Scan, listener: Listener, scratch: Path) -> None:
    """A scan has who answered last, by its name then, and the number of answers."""
    with opening(scratch, tasks=3) as opener:
        listener.read(3)
        _, before = scan_until(scan, listener.comm, 3)
        name = f"renamed-{listener.pid}"
        listener.rename(name)
        listener.answer(2)
        opener.await_accesses(2)
        _, after = scan_until(scan, name, 1)
        listener.answer(1)
        opener.finish()

    assert listener.pid == after.listener
    assert before.address == after.address
    assert before.answers + 2 == after.answers


def test_waits_from_before(permission_method: str, scratch: Path) -> None:
    """Waits that began before the programs are in a scan; their length is not known."""
    with listening() as listener:
        listener.mark(scratch)
        with opening(scratch, tasks=3) as early:
            early.await_waiting(3)
            with attached(permission_method) as loaded:
                counted, scan = Counted(loaded), make_scan(loaded)
                last, first = scan_until(scan, listener.comm, 3)
                with opening(scratch, tasks=4) as late:
                    late.await_waiting(4)
                    both, group = scan_until(scan, listener.comm, 7)
                    counts = listener.serve(7)
                    early.finish()
                    late.finish()
                counted.agree(listener, counts, began_before=3, answered=7)

    assert first.oldest_since is not None
    assert first.oldest_since <= time.clock_gettime(time.CLOCK_BOOTTIME)
    assert [True] * 3 == [each.is_since_seen for each in last.waiters]
    seen = {each.tid: each.is_since_seen for each in both.waiters}
    assert {True} == {seen[tid] for tid in early.tids}
    since = {each.tid: each.since for each in last.waiters}
    assert since.items() <= {each.tid: each.since for each in both.waiters}.items()
    assert group.oldest_since == first.oldest_since
    assert 7 == counts.answers
