"""
The descriptors that a scan of /proc knows, within bounds.

A descriptor costs 0.3 KB of memory, and each scan compares all known descriptors. An
ordinary user may have a million descriptors of one group, after dup(2) and fork(2).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from fanotify_exporter.fsnotify.descriptors import Descriptor, Descriptors
from fanotify_exporter.fsnotify.inventory import Kind


@dataclass(frozen=True, slots=True)
class Bounds:
    """
    How many descriptors of a kind are known.

    Attributes:
        user: of the unprivileged processes of one user.
        users: of all unprivileged processes.
        privileged: of all privileged processes.
    """

    user: int
    users: int
    privileged: int


# Room for the groups of eight users with the default limit of 128, each group with a
# second holder, and for a hundred products with dozens of groups each. A user may have
# 8,192 instances on hosts with containers. To compare so many takes 0.1 s.
BOUNDS: Final[Mapping[Kind, Bounds]] = MappingProxyType(
    {
        Kind.FANOTIFY: Bounds(user=256, users=1024, privileged=4096),
        Kind.INOTIFY: Bounds(user=8192, users=12_288, privileged=16_384),
    }
)


class Holders:
    """The known descriptors of each process."""

    def __init__(self) -> None:
        """Start without descriptors."""
        self._known: dict[int, Descriptors] = {}
        self._left_out: dict[int, int] = {}
        self._of_user = Counter[tuple[int, Kind]]()
        self._of_users = Counter[Kind]()
        self._privileged = Counter[Kind]()

    def __iter__(self) -> Iterator[Descriptor]:
        """Yield all descriptors."""
        for descriptors in self._known.values():
            yield from descriptors

    @property
    def left_out(self) -> int:
        """Return the number of descriptors above the bounds."""
        return sum(self._left_out.values())

    def retain(self, pids: Collection[int]) -> None:
        """Forget all processes but *pids*."""
        for pid in (self._known.keys() | self._left_out.keys()).difference(pids):
            self.replace(pid, (), 0)

    def replace(self, pid: int, found: Descriptors, left_out: int) -> None:
        """
        Replace the descriptors of a process by those *found* now, as far as allowed.

        Args:
            pid: the process.
            found: descriptors of the process.
            left_out: number of descriptors that were not inspected.
        """
        self._count(self._known.pop(pid, ()), -1)
        kept = tuple(self._within_bounds(found))
        self._count(kept, 1)
        if kept:
            self._known[pid] = kept
        self._left_out.pop(pid, None)
        if left_out := left_out + len(found) - len(kept):
            self._left_out[pid] = left_out

    def _within_bounds(self, found: Descriptors) -> Iterator[Descriptor]:
        if not found:
            return
        rooms = {kind: self._room(found[0], kind) for kind in BOUNDS}
        for descriptor in found:
            rooms[descriptor.kind] -= 1
            if rooms[descriptor.kind] >= 0:
                yield descriptor

    def _room(self, owner: Descriptor, kind: Kind) -> int:
        """Return how many more descriptors of *owner*'s process may be known."""
        bounds = BOUNDS[kind]
        if owner.privileged:
            return bounds.privileged - self._privileged[kind]
        of_user = bounds.user - self._of_user[owner.uid, kind]
        return min(of_user, bounds.users - self._of_users[kind])

    def _count(self, descriptors: Descriptors, sign: int) -> None:
        for each in descriptors:
            if each.privileged:
                self._privileged[each.kind] += sign
            else:
                self._of_users[each.kind] += sign
                self._of_user[each.uid, each.kind] += sign
                if not self._of_user[each.uid, each.kind]:
                    del self._of_user[each.uid, each.kind]
