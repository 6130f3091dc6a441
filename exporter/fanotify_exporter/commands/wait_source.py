"""Decide where the list of waiting tasks comes from: the kernel's iterator or /proc."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fanotify_exporter.bpf.loaded import LoadedPermission
from fanotify_exporter.fsnotify.wchan_support import unseen_reason
from fanotify_exporter.procfs import PROC
from fanotify_exporter.procfs.pid_namespace import is_initial_pid_namespace


@dataclass(frozen=True, slots=True)
class WaitSource:
    """
    A source of waiting tasks.

    Attributes:
        name: "none" if the waiting tasks are unknown.
        reason: why the source is not "iterator"; empty if it is.
    """

    name: Literal["iterator", "procfs", "none"]
    reason: str = ""


def find_wait_source(
    permission: LoadedPermission | None, procfs: Path = PROC
) -> WaitSource:
    """
    Return the best source of this host.

    Call before privileges are dropped: the function tells from the capabilities of
    this process whether /proc will show waiting tasks.

    Args:
        permission: the programs that count permission waits, None without.
        procfs: mount point of the host's procfs.
    """
    if not permission:
        reason = "the iterator needs the programs that count permission waits"
    elif permission.iterator_reason:
        reason = permission.iterator_reason
    elif not is_initial_pid_namespace():
        reason = (
            "in a pid namespace that is not the host's (--pid=host, hostPID: true) the "
            "iterator lists the tasks of that namespace only"
        )
    else:
        return WaitSource("iterator")
    unseen = unseen_reason(procfs)
    if unseen:
        return WaitSource("none", f"{reason}; {unseen}")
    return WaitSource("procfs", reason)
