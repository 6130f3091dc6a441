"""
The group descriptors that a scan knows, within bounds.

A descriptor costs 0.3 KB of memory, and each poll inspects and compares all known
descriptors. An ordinary user may have a million descriptors of one group, after dup(2)
and fork(2).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from fanotify_exporter.fsnotify.descriptors import GroupDescriptor


# Descriptors known of the unprivileged processes of one user: max_user_groups is 128 by
# default, and a group may have two holders.
MAX_PER_USER: Final = 256

# Descriptors known of all unprivileged processes. To inspect and compare so many takes
# less than 0.1 s.
MAX_OF_USERS: Final = 1024

# Descriptors known of all privileged processes: a hundred products with dozens of
# groups each.
MAX_PRIVILEGED: Final = 4096

Descriptors = tuple[GroupDescriptor, ...]


class Holders:
    """
    The known group descriptors by pid, the least recently inspected process first.

    Attributes:
        left_out: descriptors of groups above the bounds, by pid.
    """

    def __init__(self) -> None:
        """Start without descriptors."""
        self._known: dict[int, Descriptors] = {}
        self._of_users = Counter[int]()
        self._privileged = 0
        self.left_out: dict[int, int] = {}

    def __contains__(self, pid: int) -> bool:
        """Return whether a descriptor of process *pid* is known."""
        return pid in self._known

    def __iter__(self) -> Iterator[Descriptors]:
        """Yield the descriptors of each process; the process may be replaced then."""
        yield from list(self._known.values())

    def pids(self) -> set[int]:
        """Return the processes with descriptors that are known or left out."""
        return self._known.keys() | self.left_out.keys()

    def replace(self, pid: int, found: Descriptors, left_out: int | None) -> bool:
        """
        Replace the descriptors of a process by those *found* now, as far as allowed.

        Args:
            pid: the process.
            found: descriptors of the process; none if the process has ended.
            left_out: descriptors that were not inspected; None if only known
                descriptors were inspected.

        Returns:
            Whether a descriptor that was known is missing in *found*.
        """
        before = self._known.pop(pid, ())
        self._count(before, -1)
        kept = found[: self._room(found)]
        self._count(kept, 1)
        if kept:
            self._known[pid] = kept
        if left_out is not None or not found:
            left_out = (left_out or 0) + len(found) - len(kept)
            self.left_out[pid] = left_out
            if not left_out:
                del self.left_out[pid]
        return bool({each.file for each in before} - {each.file for each in found})

    def _room(self, found: Descriptors) -> int:
        """Return how many of the descriptors *found* may be kept."""
        if not found:
            return 0
        if found[0].privileged:
            return MAX_PRIVILEGED - self._privileged
        of_user = MAX_PER_USER - self._of_users[found[0].uid]
        return max(0, min(of_user, MAX_OF_USERS - self._of_users.total()))

    def _count(self, descriptors: Descriptors, sign: int) -> None:
        if descriptors and descriptors[0].privileged:
            self._privileged += sign * len(descriptors)
        elif descriptors:
            uid = descriptors[0].uid
            self._of_users[uid] += sign * len(descriptors)
            if not self._of_users[uid]:
                del self._of_users[uid]
