"""fanotify groups, inotify instances and their owners, as one scan found them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fanotify_exporter.uapi.fanotify import FAN_UNLIMITED_MARKS, INIT_CLASS_MASK


# The start time, the pid and the number of a descriptor.
DescriptorKey = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Marks:
    """
    The number of a group's marks of one type that do or do not block.

    Attributes:
        mark_type: "inode", "mount", "filesystem", "mntns" or "unknown".
        blocking: whether the masks of these marks have a permission event.
    """

    mark_type: str
    blocking: bool
    count: int


@dataclass(frozen=True, slots=True)
class WideMarks:
    """
    What a group's mount and filesystem marks are on.

    Attributes:
        mounts: ids of mounts, as in mountinfo. At one time, no two mounts of all mount
            namespaces have the same id.
        devices: devices of filesystems in the kernel's encoding, major << 20 | minor.
    """

    mounts: frozenset[int] = frozenset()
    devices: frozenset[int] = frozenset()


NO_WIDE_MARKS: Final = WideMarks()


@dataclass(frozen=True, slots=True)
class Group:
    """
    A group as the kernel describes it in fdinfo.

    Attributes:
        flags: the fanotify_init(2) flags that fdinfo shows.
        marks: one entry for each type and blocking that the group has.
        wide_marks: what the marks for some event are on; empty if not wanted.
        blocking_wide_marks: the same of marks with permission events.
    """

    flags: int
    marks: tuple[Marks, ...]
    wide_marks: WideMarks = NO_WIDE_MARKS
    blocking_wide_marks: WideMarks = NO_WIDE_MARKS

    @property
    def can_block(self) -> bool:
        """
        Return whether the group may have marks that block.

        Making such a group takes CAP_SYS_ADMIN: fanotify_init(2).
        """
        return bool(self.flags & INIT_CLASS_MASK)

    @property
    def limited_marks(self) -> int:
        """
        Return how many marks count against max_user_marks.

        Marks of a group with FAN_UNLIMITED_MARKS do not: fanotify_add_new_mark() in
        fs/notify/fanotify/fanotify_user.c.
        """
        if self.flags & FAN_UNLIMITED_MARKS:
            return 0
        return sum(marks.count for marks in self.marks)


@dataclass(frozen=True, slots=True)
class Queue:
    """
    The events of a group or an instance that its program has not read or answered.

    Attributes:
        length: number of events in the queue.
        limit: maximum length; None for FAN_UNLIMITED_QUEUE.
        overflowed: whether the queue has an overflow event: the kernel has dropped
            events since the program last read all.
        unanswered: number of permission events that the program has read and not
            answered.
    """

    length: int
    limit: int | None
    overflowed: bool = False
    unanswered: int = 0


@dataclass(frozen=True, slots=True)
class OwnedGroup:
    """
    A group and its owner, the earliest started process that has it open.

    Attributes:
        comm: printable name of the owner's first thread.
        uid: effective user id of the owner.
        privileged: whether the owner has CAP_SYS_ADMIN in the initial user namespace.
        descriptors: the start time of the process in clock ticks after boot, the pid
            and the number of each known descriptor, the owner's first.
        queue: None if unknown, as in a scan of /proc.
        cgroup: id of the owner's cgroup in the v2 hierarchy; 0 if unknown.
    """

    comm: str
    uid: int
    group: Group
    privileged: bool = False
    descriptors: tuple[DescriptorKey, ...] = ()
    queue: Queue | None = None
    cgroup: int = 0


@dataclass(frozen=True, slots=True)
class InotifyInstance:
    """
    An inotify instance and its owner, the earliest started process that has it open.

    Attributes:
        comm: printable name of the owner's first thread.
        uid: effective user id of the owner.
        watches: number of watches.
        privileged: whether the owner has CAP_SYS_ADMIN in the initial user namespace.
        descriptors: as in OwnedGroup.
        cgroup: id of the owner's cgroup in the v2 hierarchy; 0 if unknown.
    """

    comm: str
    uid: int
    watches: int
    privileged: bool = False
    descriptors: tuple[DescriptorKey, ...] = ()
    cgroup: int = 0


@dataclass(frozen=True, slots=True)
class UserCounts:
    """
    What the kernel counts of a user, and compares with the limits.

    The kernel charges the maker of a group in a user namespace there, and in each
    namespace above the user who made the namespace below: inc_ucount() in
    kernel/ucount.c. These are the counts in the initial user namespace.

    Attributes:
        groups: fanotify groups.
        marks: marks of groups without FAN_UNLIMITED_MARKS.
        instances: inotify instances.
        watches: inotify watches.
    """

    groups: int
    marks: int
    instances: int
    watches: int


@dataclass(frozen=True, slots=True)
class GroupScan:
    """
    The groups and instances that a scan found.

    Attributes:
        groups: each group once, however many descriptors refer to the group.
        instances: each inotify instance once.
        users: the counts of each user that has a group or an instance, by the uid in
            the initial user namespace. None if the scan cannot read them; the sums by
            effective uid of the owners stand for them then.
        unreadable: number of processes whose descriptors could not be read.
        scanned: Unix time when the last full scan ended, 0 before the first has ended.
        left_out: number of descriptors above the bounds of a scan.
    """

    groups: tuple[OwnedGroup, ...]
    unreadable: int
    scanned: float
    left_out: int = 0
    instances: tuple[InotifyInstance, ...] = ()
    users: Mapping[int, UserCounts] | None = None
