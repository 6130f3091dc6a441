"""fanotify groups and inotify instances without their marks, as a source lists them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from fanotify_exporter.fsnotify.model import DescriptorKey, Queue, UserCounts


class Kind(Enum):
    """The kind of an open file."""

    FANOTIFY = "fanotify"
    INOTIFY = "inotify"


FileKey = tuple[Kind, int] | DescriptorKey


@dataclass(frozen=True, slots=True)
class OpenFile:
    """
    The open file of a group or an instance, and its owner.

    The owner is the earliest started process that has the file open.

    Attributes:
        kind: what the file is.
        comm: printable name of the owner's first thread.
        uid: effective user id of the owner.
        privileged: whether the owner has CAP_SYS_ADMIN in the initial user namespace.
        descriptors: the start time of the process in clock ticks after boot, the pid
            and the number of each known descriptor, the owner's first; at least one.
        queue: None if the source cannot see queues.
        cgroup: id of the owner's cgroup in the v2 hierarchy; 0 if unknown.
        charged: marks or watches that the kernel charges to the user who made the file,
            those of the file among them; 0 if unknown.
        address: of the group or the instance in the kernel; 0 if unknown.
    """

    kind: Kind
    comm: str
    uid: int
    privileged: bool
    descriptors: tuple[DescriptorKey, ...]
    queue: Queue | None = None
    cgroup: int = 0
    charged: int = 0
    address: int = 0

    @property
    def key(self) -> FileKey:
        """Return what tells the file from others in two lists of one source."""
        return (self.kind, self.address) if self.address else self.descriptors[0]


@dataclass(frozen=True, slots=True)
class Inventory:
    """
    The open files that a source listed.

    Attributes:
        files: each open file once, however many descriptors refer to the file.
        scanned: Unix time when the last full list ended, 0 before the first has ended.
        unreadable: number of processes whose descriptors could not be read.
        left_out: number of descriptors above the bounds of the source.
        users: the kernel's counts by uid; None if the source cannot read them.
    """

    files: tuple[OpenFile, ...]
    scanned: float
    unreadable: int = 0
    left_out: int = 0
    users: Mapping[int, UserCounts] | None = None
