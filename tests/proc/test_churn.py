"""Scans while 200 processes, each another user's, make and close groups."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fanotify_exporter.fsnotify.model import GroupScan
from fanotify_exporter.fsnotify.proc_scan import GroupScanner
from fanotify_exporter.procfs.process import read_pids
from tools.harness.churn import CHURN, PROCESSES
from tools.harness.listeners import NEW_PIDS, Listener, listening


WARM_STEPS, STEPS = 10, 30
MAX_GROWTH_KB = 1024


@pytest.fixture
def steady() -> Iterator[Listener]:
    """Keep one group with two marks in two processes, which nothing happens to."""
    with listening("g = init(); mark(g, ADD, OPEN, '/'); fork()") as listener:
        yield listener


def scanners() -> tuple[GroupScanner, GroupScanner]:
    """Return one that makes a full scan in each step, and one that only looks."""
    hours = itertools.count(step=3600)
    return (
        GroupScanner(now=lambda: next(hours)),
        GroupScanner(
            interval=86_400, recent_pids=lambda: (frozenset(read_pids()), True)
        ),
    )


def resident_kb() -> int:
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)[0])


def open_fds() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208  names, not paths


def check(scan: GroupScan, steady: Listener, churn: Listener) -> int:
    """Hold what must always be true; return how many groups came and went."""
    held = [each for each in scan.groups if each.comm == steady.comm]
    assert [1] == [marks.count for each in held for marks in each.group.marks]
    passing = [each for each in scan.groups if each.comm == churn.comm]
    assert all(each.uid >= 200_000 for each in passing)
    assert len(passing) <= 2 * PROCESSES
    return len(passing)


def test_churn(steady: Listener) -> None:
    """No scan fails or leaks, takes an end for a refusal, or counts a group twice."""
    full, looks = scanners()
    unreadable = full.step().unreadable
    with listening(CHURN, prefix=NEW_PIDS) as churn:
        for _ in range(WARM_STEPS):
            check(full.step(), steady, churn)
            check(looks.step(), steady, churn)
        fds, resident = open_fds(), resident_kb()
        seen = 0
        for _ in range(STEPS):
            scan = full.step()
            seen += check(scan, steady, churn)
            assert unreadable == scan.unreadable
            check(looks.step(), steady, churn)
        assert fds == open_fds()
        assert resident_kb() - resident < MAX_GROWTH_KB
    print(f"{seen / STEPS:.0f} groups of {PROCESSES} processes in a scan")
    assert seen > STEPS
