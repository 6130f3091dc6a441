"""Scans across pid namespaces."""

from __future__ import annotations

from pathlib import Path

from tools.harness.child_scan import scan_in_child
from tools.harness.listeners import NEW_PIDS, listening


NEW_PROC = (*NEW_PIDS, "--mount-proc")

# One group with four descriptors in two processes.
SHARED = "group = init(); os.dup(group); fork()"


def test_group_in_a_container() -> None:
    """The host's scan counts a group of another pid namespace once."""
    with listening(SHARED, prefix=NEW_PROC) as listener:
        assert listener.pid < 100
        assert 1 == scan_in_child().groups[listener.comm]


def test_scan_in_a_container() -> None:
    """A scan of its own namespace's procfs counts that namespace's groups once each."""
    with (
        listening(SHARED) as outside,
        listening(SHARED, prefix=NEW_PROC) as inside,
    ):
        unshare = inside.process.pid
        (pid,) = Path(f"/proc/{unshare}/task/{unshare}/children").read_text().split()
        scan = scan_in_child(prefix=("nsenter", f"--target={pid}", "--pid", "--mount"))
    assert "" == scan.inexact_reason
    assert {inside.comm: 1} == scan.groups
    assert outside.comm not in scan.groups


def test_scan_of_the_host_from_a_container() -> None:
    """A scan of another namespace's procfs counts each descriptor, and says why."""
    with listening(SHARED) as listener:
        scan = scan_in_child(prefix=NEW_PIDS)
        assert "/proc is another pid namespace's" == scan.inexact_reason
        assert 4 == scan.groups[listener.comm]
