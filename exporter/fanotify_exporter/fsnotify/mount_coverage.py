"""
Which mounts of the host the mount and filesystem marks of programs cover.

A mark on a filesystem covers all mounts of the filesystem: all bind mounts, all btrfs
subvolumes, in all mount namespaces. A mark on a mount covers that mount only. The
copies of the mount in other mount namespaces have ids of their own, so the marks of a
program that marked mounts of another mount namespace match no mount of the host.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from fanotify_exporter.fsnotify.model import OwnedGroup, WideMarks
from fanotify_exporter.fsnotify.mount_table import MountTable


@dataclass(frozen=True, slots=True)
class Coverage:
    """
    The mounts that the marks of one program cover.

    Attributes:
        comm: printable name of the program.
        can_block: whether the program has mount or filesystem marks with permission
            events; then only those marks count.
        covered: ids of mounts.
    """

    comm: str
    can_block: bool
    covered: frozenset[int]


def find_coverage(groups: Iterable[OwnedGroup], table: MountTable) -> list[Coverage]:
    """
    Return what each program with mount or filesystem marks covers, by comm.

    Programs without CAP_SYS_ADMIN in the initial user namespace are left out, except
    with a group that can block: the marks of others are on mounts of their own user
    namespace, and any user can make such marks (Linux 6.16).
    """
    every = defaultdict[str, list[WideMarks]](list)
    blocking = defaultdict[str, list[WideMarks]](list)
    for owned in groups:
        group = owned.group
        if not (owned.privileged or group.can_block):
            continue
        for marks, found in (
            (group.wide_marks, every),
            (group.blocking_wide_marks, blocking),
        ):
            if marks.mounts or marks.devices:
                found[owned.comm].append(marks)
    return [
        Coverage(comm, comm in blocking, _covered(blocking.get(comm, marks), table))
        for comm, marks in sorted(every.items())
    ]


def _covered(marks: Iterable[WideMarks], table: MountTable) -> frozenset[int]:
    found = set[int]()
    for each in marks:
        found |= each.mounts & table.mounts.keys()
        for device in each.devices & table.by_device.keys():
            found.update(table.by_device[device])
    return frozenset(found)
