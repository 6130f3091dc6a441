"""Which permission groups waiting tasks may wait for, if the kernel does not tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from fanotify_exporter.fsnotify.model import GroupScan, OwnedGroup
from fanotify_exporter.fsnotify.waits import (
    MAX_WAITERS,
    PermissionGroup,
    Waiter,
    WaitScan,
)
from fanotify_exporter.uapi.fanotify import INIT_CLASS_MASK, INIT_CLASSES


# Waiters that a result lists.
MAX_LISTED: Final = 256

T = TypeVar("T")


def attribute(
    waiters: Sequence[Waiter],
    groups: GroupScan | None,
    *,
    scanned: float,
    cgroup_of: Callable[[int], int],
) -> WaitScan:
    """
    Return *waiters* as tasks that wait for some of the permission groups.

    The result has no group if no permission group is known and no task waits, else
    one group, which stands for all permission groups. If there are several, its
    address is 0, and each attribute in which they differ is unknown. Its holders have
    all groups open, so a waiter among the holders waits for a group of its own.

    Args:
        waiters: the waiting tasks, oldest first; one more than MAX_WAITERS if there
            are more.
        groups: the groups that exist, None if unknown.
        scanned: CLOCK_BOOTTIME at which the pass began, seconds.
        cgroup_of: returns the id of a process's cgroup, 0 if unknown.
    """
    owned = [each for each in groups.groups if each.group.can_block] if groups else []
    if not (owned or waiters):
        return WaitScan((), (), scanned, is_exact=False)
    listener = _common((_owner(each) for each in owned), 0)
    group = PermissionGroup(
        address=_address(owned[0]) if len(owned) == 1 else 0,
        comm=_common((each.comm for each in owned), ""),
        group_class=_common(map(_class, owned), ""),
        listener=listener,
        holders=frozenset.intersection(*map(_holders, owned)) if owned else frozenset(),
        waiting=min(len(waiters), MAX_WAITERS),
        oldest_since=waiters[0].since if waiters else None,
        answers=0,
        is_cut=len(waiters) > MAX_WAITERS,
        cgroup=cgroup_of(listener) if listener else 0,
    )
    listed = waiters[:MAX_LISTED]
    return WaitScan(
        (group,),
        tuple(replace(waiter, group=group.address) for waiter in listed),
        scanned,
        is_exact=False,
    )


def _common(values: Iterable[T], unknown: T) -> T:
    """Return the value that all *values* are equal to, else *unknown*."""
    different = set(values)
    return different.pop() if len(different) == 1 else unknown


def _owner(owned: OwnedGroup) -> int:
    return owned.descriptors[0][1] if owned.descriptors else 0


def _address(owned: OwnedGroup) -> int:
    """Return a number that stays the same while the owner has the group open."""
    if not owned.descriptors:
        return 0
    _, pid, fd = owned.descriptors[0]
    return pid << 32 | fd


def _holders(owned: OwnedGroup) -> frozenset[int]:
    return frozenset(pid for _, pid, _ in owned.descriptors)


def _class(owned: OwnedGroup) -> str:
    name = INIT_CLASSES.get(owned.group.flags & INIT_CLASS_MASK, "")
    return name.removeprefix("FAN_CLASS_").lower()
