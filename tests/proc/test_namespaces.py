"""Processes and scans in pid namespaces of their own."""

from __future__ import annotations

from pathlib import Path

from tools.harness.listeners import NEW_PIDS, listening
from tools.harness.look import look


NEW_PROC = (*NEW_PIDS, "--mount-proc")

SHARED = "group = init(); os.dup(group); fork()"


def test_group_in_a_container() -> None:
    """A group made in another pid namespace is seen from here, once."""
    with listening(SHARED, prefix=NEW_PROC) as listener:
        assert listener.pid < 100
        assert 1 == look().groups[listener.comm]


def test_scan_in_a_container() -> None:
    """With a procfs of its own namespace a scan sees that one's groups, each once."""
    with (
        listening(SHARED) as outside,
        listening(SHARED, prefix=NEW_PROC) as inside,
    ):
        unshare = inside.process.pid
        (pid,) = Path(f"/proc/{unshare}/task/{unshare}/children").read_text().split()
        seen = look(prefix=("nsenter", f"--target={pid}", "--pid", "--mount"))
    assert "" == seen.inexact_reason
    assert {inside.comm: 1} == seen.groups
    assert outside.comm not in seen.groups


def test_scan_of_the_host_from_a_container() -> None:
    """With the host's procfs and other pids it sees all, each descriptor a group."""
    with listening(SHARED) as listener:
        seen = look(prefix=NEW_PIDS)
        assert "/proc is another pid namespace's" == seen.inexact_reason
        assert 4 == seen.groups[listener.comm]
