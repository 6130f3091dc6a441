"""A user without privileges who has far more descriptors than a scan's bounds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fanotify_exporter.fsnotify.group_scan import GroupScanner
from fanotify_exporter.fsnotify.holders import BOUNDS
from fanotify_exporter.fsnotify.inventory import Kind
from fanotify_exporter.fsnotify.proc_scan import ProcScan
from tools.harness.descriptor_flood import (
    DESCRIPTORS,
    FLOODER,
    PROCESSES,
    flooding,
    growth_kb,
    seconds_until_shown,
)
from tools.harness.listeners import Listener


# A new mark of root shows within this time.
SECONDS = 15.0
MAX_GROWTH_KB = 20_480


@pytest.fixture(scope="module", params=Kind)
def kind(request: pytest.FixtureRequest) -> Kind:
    chosen: Kind = request.param
    return chosen


@pytest.fixture(scope="module")
def flood(kind: Kind) -> Iterator[Listener]:
    with flooding(kind) as listener:
        yield listener


def test_bounds(flood: Listener, kind: Kind) -> None:
    """The flooder's file counts once; what is above the bounds is counted."""
    source = ProcScan(cpu=lambda: 0)  # one scan, without steps
    scan = GroupScanner(source).poll()
    owners = [(each.comm, each.uid) for each in scan.groups]
    owners += [(each.comm, each.uid) for each in scan.instances]
    assert [FLOODER] == [uid for comm, uid in owners if comm == flood.comm]
    total = PROCESSES * (DESCRIPTORS + 1) + 1
    if Path("/proc/self/fd").stat().st_size:
        assert total - BOUNDS[kind].user == scan.left_out
    else:  # before Linux 6.2 the size of descriptor tables is counted
        assert total - BOUNDS[kind].user <= scan.left_out


@pytest.mark.usefixtures("flood")
def test_memory() -> None:
    """Scans of the flood take bounded memory."""
    assert growth_kb(ProcScan(cpu=lambda: 0)) < MAX_GROWTH_KB


@pytest.mark.usefixtures("flood")
def test_new_mark_of_root(tmp_path: Path) -> None:
    """A new group of root and its permission mark show while the flood lasts."""
    assert seconds_until_shown(ProcScan, tmp_path, SECONDS) < SECONDS
