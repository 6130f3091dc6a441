"""Values read from the maps: counted calls, lost calls, and the use of the maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final


# The comm of all keys that did not fit into the map. TASK_COMM_LEN is 16, so no
# thread can have this name.
OTHER_COMM: Final = "[other: map full]"

# Reasons for which no program counted the call. "map_full" calls are counted, without
# their key. "recursion_any_syscall" may include calls of other system calls.
_MISSED = ("no_entry", "recursion", "nmissed")


@dataclass(frozen=True, slots=True)
class Call:
    """
    Number of calls with one key.

    Attributes:
        comm: printable thread name, or OTHER_COMM.
        flags: flags of the call; with OTHER_COMM, only the flags for the action and
            type of a mark, or for the class of a group.
        mask: 64 bits; event_f_flags for fanotify_init(2); 0 with OTHER_COMM.
        errno: 0 on success; with OTHER_COMM, 1 stands for every errno.
        count: calls that returned.
        created: Unix time of the first call, seconds.
        cgroup: id in the cgroup v2 hierarchy; 0 if the cgroup is not in the key.
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
    """Number of used entries of a map, and their maximum."""

    map: str
    entries: int
    max_entries: int


@dataclass(frozen=True, slots=True)
class Lost:
    """
    Number of calls that were not counted by their key.

    Attributes:
        probe: value of the label "probe", see AttachedProbe.
        reason: value of the label "reason".
        is_stale: True if the number could not be read now. The number is that of an
            earlier read.
    """

    probe: str
    reason: str
    count: int
    is_stale: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    Content of the maps at one time.

    Attributes:
        counting_since: Unix time when the programs began to count, seconds.
        calls: by element of SYSCALLS.
        usage: by section of the slots.
        lost: by system call and reason.
    """

    counting_since: float
    calls: Mapping[str, Sequence[Call]]
    usage: tuple[Usage, ...]
    lost: tuple[Lost, ...]

    def missed(self, syscall: str) -> int:
        """Return how many calls of *syscall* no program counted."""
        return sum(
            lost.count
            for lost in self.lost
            if lost.probe == syscall and lost.reason in _MISSED
        )
