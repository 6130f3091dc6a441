"""
Read the BPF maps: memory that the kernel shares, in; counted calls, out.

The maps are arrays that the programs write and this process maps read-only, so
a read is no system call, needs no capability and disturbs no probe.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final


SYSCALLS: Final = ("fanotify_mark", "fanotify_init", "inotify_init")
"""What is counted, as enum syscall; inotify_init stands for inotify_init1(2) too."""

OTHER_COMM = "[other: map full]"
"""Stands for every comm whose key did not fit; too long to be one."""

MISSED_REASONS = ("no_entry", "recursion", "nmissed")
"""Of lost calls; another reason's count may hold other system calls too."""


@dataclass(frozen=True, slots=True)
class Call:
    """
    How often one key was counted.

    Attributes:
        comm: printable thread name, or OTHER_COMM.
        flags: the call's flags; of OTHER_COMM only the bits of a mark's action and
            type, or of a group's class.
        mask: 64 bits, of fanotify_init event_f_flags; 0 for OTHER_COMM.
        errno: 0 on success; 1 stands for any errno of OTHER_COMM.
        count: calls that returned.
        created: Unix time of the first one, seconds.
        cgroup: id in the cgroup v2 hierarchy; 0 where it is not counted by.
    """

    comm: str
    flags: int
    mask: int
    errno: int
    count: int
    created: float
    cgroup: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """How many of a map's entries are in use."""

    map: str
    entries: int
    max_entries: int


@dataclass(frozen=True, slots=True)
class Lost:
    """Calls that a probe saw or missed without counting them under their key."""

    probe: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    One pass over the maps.

    Attributes:
        counting_since: when counting began, Unix seconds.
        calls: by probe, one of hooks.SYSCALLS.
    """

    counting_since: float
    calls: Mapping[str, Sequence[Call]]
    usage: tuple[Usage, ...]
    lost: tuple[Lost, ...]

    def missed(self, probe: str) -> int:
        """Return how many calls of *probe* the kernel let no program see."""
        return sum(
            lost.count
            for lost in self.lost
            if lost.probe == probe and lost.reason in MISSED_REASONS
        )
