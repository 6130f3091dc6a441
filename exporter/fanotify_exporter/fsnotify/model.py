"""
The fdinfo of a fanotify group, in; its flags and its marks, counted, out.

fs/notify/fdinfo.c writes one line for the group and one for each mark, since
Linux 3.8 (mnt_ns since 6.15; fhandle and what follows it is left out here)::

    fanotify flags:7 event-flags:8000
    fanotify ino:265 sdev:fe00000 mflags:0 mask:20 ignored_mask:0 fhandle-...
    fanotify mnt_id:1b mflags:0 mask:10020 ignored_mask:0
    fanotify sdev:fe00000 mflags:0 mask:40000020 ignored_mask:0
    fanotify mnt_ns:4026531832 mflags:0 mask:1000000 ignored_mask:0

A mark that only ignores has mask 0 and is a mark. mflags mixes uapi bits with
the kernel's own and says nothing that is counted here. An inode mark whose
inode is being freed has no line.
"""

from __future__ import annotations

from dataclasses import dataclass

from fanotify_exporter.uapi.fanotify import FAN_UNLIMITED_MARKS


@dataclass(frozen=True, slots=True)
class Marks:
    """How many marks of one kind a group has; *blocking* if they ask permission."""

    mark_type: str
    blocking: bool
    count: int


@dataclass(frozen=True, slots=True)
class Group:
    """
    What the kernel tells about a group.

    Attributes:
        flags: those of fanotify_init(2) that fdinfo shows.
        marks: one for each kind that the group has.
    """

    flags: int
    marks: tuple[Marks, ...]

    @property
    def limited_marks(self) -> int:
        """
        Return how many marks count against max_user_marks.

        With FAN_UNLIMITED_MARKS none: fanotify_add_new_mark() in
        fs/notify/fanotify/fanotify_user.c.
        """
        if self.flags & FAN_UNLIMITED_MARKS:
            return 0
        return sum(marks.count for marks in self.marks)


@dataclass(frozen=True, slots=True)
class HeldGroup:
    """A group, and of its holders the one that started first: comm, effective uid."""

    comm: str
    uid: int
    group: Group


@dataclass(frozen=True, slots=True)
class GroupScan:
    """
    What there is now.

    Attributes:
        groups: each group once, however many descriptors it has.
        unreadable: processes that refused to be looked at.
        scanned: Unix time of the end of the last full scan.
    """

    groups: tuple[HeldGroup, ...]
    unreadable: int
    scanned: float
