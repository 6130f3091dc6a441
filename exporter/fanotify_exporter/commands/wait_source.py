"""Decide where the list of waiting tasks comes from: the kernel's iterator or /proc."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fanotify_exporter.bpf.loaded import LoadedPermission
from fanotify_exporter.fsnotify.wchan_support import unseen_reason
from fanotify_exporter.procfs import PROC


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
    if permission and not permission.iterator_reason:
        return WaitSource("iterator")
    reason = (
        permission.iterator_reason
        if permission
        else "the iterator needs the programs that count permission waits"
    )
    unseen = unseen_reason(procfs)
    if unseen:
        return WaitSource("none", f"{reason}; {unseen}")
    return WaitSource("procfs", reason)
