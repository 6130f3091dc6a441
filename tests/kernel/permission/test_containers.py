"""With --label.container, waits are counted by the listener's cgroup."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.harness.cgroup2 import cgroup, hierarchy
from tools.harness.permission.counted import Counted
from tools.harness.permission.listener import listening
from tools.harness.permission.loading import attached
from tools.harness.permission.opener import opening
from tools.harness.permission.scans import make_scan


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Path]:
    """Make a cgroup."""
    with hierarchy(tmp_path) as root, cgroup(root / "permission.scope") as folder:
        yield folder


def enter(folder: Path, pid: int) -> None:
    """Move a process into the cgroup *folder*."""
    (folder / "cgroup.procs").write_text(str(pid))


def test_waits_by_cgroup(
    permission_method: str, container: Path, scratch: Path, tmp_path: Path
) -> None:
    """Listeners of one name in two cgroups are counted apart; a waiter has its own."""
    other = tmp_path / "other"
    other.touch()
    own = container.stat().st_ino
    with (
        attached(permission_method, container=True) as loaded,
        listening() as outside,
        listening(comm=outside.comm) as inside,
    ):
        counted, scan = Counted(loaded), make_scan(loaded)
        enter(container, inside.pid)
        outside.mark(other)
        inside.mark(scratch)
        with opening(other, tasks=5) as opener:
            outside.serve(5)
            opener.finish()
        with opening(scratch, tasks=3) as opener:
            opener.await_waiting(3)
            enter(container, opener.pid)
            inside.serve(2)
            opener.await_accesses(2)
            last = scan()
            inside.serve(1)
            opener.finish()
        skips = counted.skipped("permission_wait")
        answered = {
            each.cgroup: each.ends["answered"]
            for each in counted.read().totals
            if each.comm == inside.comm
        }
        (waiter,) = (each for each in last.waiters if each.pid == opener.pid)
        cgroups = {
            each.listener: each.cgroup
            for each in last.groups
            if each.comm == inside.comm
        }

    assert {inside.pid, outside.pid} == set(cgroups)
    assert own == waiter.cgroup == cgroups[inside.pid]
    assert 3 - skips <= answered.pop(own) <= 3
    ((another, count),) = answered.items()
    assert 5 - skips <= count <= 5
    assert 0 != another == cgroups[outside.pid]
