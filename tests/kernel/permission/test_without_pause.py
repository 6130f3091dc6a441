"""Opens without pause; `make soak-vm` runs these tests for many minutes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.harness.permission.counted import Counted
from tools.harness.permission.listener import Listener
from tools.harness.permission.opener import opening
from tools.harness.permission.scans import Deadlocks, Scan


pytestmark = pytest.mark.soak

# Without --soak-seconds.
OPENS_SECONDS = 30
# Three times as long as a wait has to last before it is part of a deadlock.
CYCLES_SECONDS = 15


@pytest.fixture
def busy_pair(
    listener: Listener, peer: Listener, scratch: Path, other: Path, watchdog: int
) -> Iterator[None]:
    """Let each listener open a file of the other before it answers, without pause."""
    listener.peer(peer.pid, other)
    peer.peer(listener.pid, scratch)
    for each in (listener, peer):
        each.start()
    with (
        opening(scratch, times=0, seconds=watchdog) as one,
        opening(other, times=0, seconds=watchdog) as two,
    ):
        yield
        one.finish()
        two.finish()


def test_opens_without_pause(
    counted: Counted,
    listener: Listener,
    scratch: Path,
    watchdog: int,
    soak_seconds: int,
) -> None:
    """Counts of opens for 30 s equal those of the listener and of the openers."""
    listener.start(threads=2)
    with opening(scratch, tasks=4, times=0, seconds=watchdog) as opener:
        time.sleep(soak_seconds or OPENS_SECONDS)
        assert opener.process.poll() is None, "the opener's watchdog"
        opener.finish()
    counts = listener.stop()

    made = opener.sums[0]
    print(f"{made} opens, {counts.answers} answers")
    assert made > 100
    assert {0: made} == dict(opener.sums)
    assert made == counts.answers
    waits = counted.agree(listener, counts, answered=made)
    print(f"{waits}, lost waits {dict(counted.lost('permission_wait'))}")
    # A wait whose answer the kernel hid from the programs counts as unanswered.
    assert waits.ends["unanswered"] <= counted.skipped("permission_response")
    assert {"answered", "unanswered"} >= set(waits.ends)


@pytest.mark.usefixtures("busy_pair")
def test_momentary_cycles(
    scan: Scan, listener: Listener, peer: Listener, soak_seconds: int
) -> None:
    """Two listeners that block each other for moments are never deadlocked."""
    deadlocks = Deadlocks(scan)
    found = list[list[str]]()
    end = time.monotonic() + (soak_seconds // 2 or CYCLES_SECONDS)
    while time.monotonic() < end:
        found.append(deadlocks())
    answers = [each.counts().answers for each in (listener, peer)]

    print(f"{len(found)} passes, {answers} answers")
    assert len(found) > 2
    assert not any(found)
    assert min(answers) > 10
