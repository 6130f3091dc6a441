"""Scans while 200 processes of 200 users make and close groups."""

from __future__ import annotations

import gc
import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fanotify_exporter.fsnotify.group_scan import GroupScanner
from fanotify_exporter.fsnotify.model import GroupScan
from fanotify_exporter.fsnotify.proc_scan import ProcScan
from tools.harness.churn import CHURN, PROCESSES
from tools.harness.listeners import NEW_PIDS, Listener, listening


WARM_POLLS, POLLS = 10, 30
MAX_GROWTH_KB = 2048  # Python takes memory in arenas of 1 MiB


@pytest.fixture
def steady() -> Iterator[Listener]:
    """Keep one group with one mark, in two processes, that does not change."""
    with listening("g = init(); mark(g, ADD, OPEN, '/'); fork()") as listener:
        yield listener


def scanner() -> GroupScanner:
    """Return a scanner whose every poll scans all processes and reads all groups."""
    hours = itertools.count(step=3600)
    return GroupScanner(ProcScan(cpu=lambda: 0), now=lambda: next(hours), cpu=lambda: 0)


def resident_kb() -> int:
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)[0])


def open_fds() -> list[str]:
    gc.collect()  # closes what earlier tests have dropped
    return sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208  names, not paths


def check(scan: GroupScan, steady: Listener, churn: Listener) -> int:
    """Check the steady group; return the number of groups of *churn*."""
    found = [each for each in scan.groups if each.comm == steady.comm]
    assert [1] == [marks.count for each in found for marks in each.group.marks]
    passing = [each for each in scan.groups if each.comm == churn.comm]
    assert all(each.uid >= 200_000 for each in passing)
    assert len(passing) <= 2 * PROCESSES
    return len(passing)


def test_churn(steady: Listener) -> None:
    """Scans of processes that end do not fail, leak, or count a group twice."""
    full = scanner()
    unreadable = full.poll().unreadable
    with listening(CHURN, prefix=NEW_PIDS) as churn:
        for _ in range(WARM_POLLS):
            check(full.poll(), steady, churn)
        fds, resident = open_fds(), resident_kb()
        seen = 0
        for _ in range(POLLS):
            scan = full.poll()
            seen += check(scan, steady, churn)
            assert unreadable == scan.unreadable
        assert fds == open_fds()
        assert resident_kb() - resident < MAX_GROWTH_KB
    print(f"{seen / POLLS:.0f} groups of {PROCESSES} processes in a scan")
    assert seen > POLLS
