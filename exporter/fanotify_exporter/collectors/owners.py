"""Users and names of the owners of groups and inotify instances."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from fanotify_exporter.collectors.bounds import Name
from fanotify_exporter.collectors.labels import Labelling
from fanotify_exporter.fsnotify.model import (
    GroupScan,
    InotifyInstance,
    OwnedGroup,
    UserCounts,
)


Owner = OwnedGroup | InotifyInstance


def is_trusted(owner: Owner) -> bool:
    """
    Return whether the owner's name and user need no bound.

    A listener that dropped its privileges after it had made a group that can block is
    trusted too: making the group took CAP_SYS_ADMIN.
    """
    if owner.privileged:
        return True
    return isinstance(owner, OwnedGroup) and owner.group.can_block


def name_of(owner: Owner, labelling: Labelling) -> Name:
    """Return the values of the labels comm and *labelling*.names."""
    return (owner.comm, *labelling.values(owner))


def trusted_uids(scan: GroupScan) -> set[Name]:
    """Return the users, as label values, that have a trusted owner in *scan*."""
    owners: tuple[Owner, ...] = (*scan.groups, *scan.instances)
    return {(str(owner.uid),) for owner in owners if is_trusted(owner)}


def counts_by_user(scan: GroupScan) -> Mapping[int, UserCounts]:
    """
    Return the counts of each user: the kernel's own if the scan has them.

    Else the groups and instances are counted by effective user of their owner.
    """
    if scan.users is not None:
        return scan.users
    groups, marks = Counter[int](), Counter[int]()
    instances, watches = Counter[int](), Counter[int]()
    for group in scan.groups:
        groups[group.uid] += 1
        marks[group.uid] += group.group.limited_marks
    for instance in scan.instances:
        instances[instance.uid] += 1
        watches[instance.uid] += instance.watches
    return {
        uid: UserCounts(groups[uid], marks[uid], instances[uid], watches[uid])
        for uid in groups | instances
    }
