"""fanotify groups and inotify instances, from passes of a task_file iterator."""

from __future__ import annotations

import struct
import time
from pathlib import Path
from typing import Final, NamedTuple

from fanotify_exporter.bpf.iterator import read_records
from fanotify_exporter.bpf.loaded import LoadedFsnotify
from fanotify_exporter.fsnotify.inventory import Inventory, Kind, OpenFile
from fanotify_exporter.fsnotify.model import DescriptorKey, Queue, UserCounts
from fanotify_exporter.procfs import PROC
from fanotify_exporter.system.cpu_budget import CpuBudget
from fanotify_exporter.uapi.comm import comm_text


INTERVAL_SECONDS: Final = 2.0

# A pass of 20 ms, over some 60,000 descriptors, every two seconds takes 1 % of a CPU.
# A user may have a million descriptors, over which a pass took 0.22 s. A new blocking
# mark is to show within 3 s all the same.
PASSES: Final = CpuBudget(share=0.2)

# MAX_HOLDERS of bpf/fsnotify/iterator.bpf.c
MAX_HOLDERS: Final = 4

# struct file_record of bpf/fsnotify/iterator.bpf.c
RECORD: Final = struct.Struct("=QQQ16s4Q10I")

# enum kind
KINDS: Final = (Kind.FANOTIFY, Kind.INOTIFY)

# fsnotify_group.max_events of a group with FAN_UNLIMITED_QUEUE: UINT_MAX.
UNLIMITED: Final = 0xFFFF_FFFF

# A clock tick of the start times in /proc/PID/stat: USER_HZ is 100 on all platforms
# with BPF iterators.
TICK_NS: Final = 10_000_000


class Record(NamedTuple):
    """A struct file_record: a file and a process that has the file open."""

    address: int
    started_ns: int
    cgroup: int
    comm: bytes
    groups: int
    marks: int
    instances: int
    watches: int
    kind: int
    fd: int
    tid: int
    uid: int
    is_privileged: int
    charged_uid: int
    queue_length: int
    queue_limit: int
    overflowed: int
    unanswered: int


class FoundFile:
    """
    A file that a pass lists, and the processes that have the file open.

    Bounded, also if the program writes more records than it should: a user may have the
    file open in any number of processes.
    """

    def __init__(self, record: Record) -> None:
        """Start with the first record of the file."""
        self._owner = record
        self._descriptors: dict[int, DescriptorKey] = {}
        self._others = 0
        self.add(record)

    def add(self, record: Record) -> None:
        """Add a record of the same file."""
        if record.tid in self._descriptors:
            return
        if not record.is_privileged:
            if self._others == MAX_HOLDERS:
                return
            self._others += 1
        started = record.started_ns // TICK_NS
        self._descriptors[record.tid] = (started, record.tid, record.fd)
        if (record.started_ns, record.tid) < (self._owner.started_ns, self._owner.tid):
            self._owner = record

    def open_file(self) -> OpenFile:
        """Return the file with its owner, the earliest started process."""
        owner = self._owner
        own_key = self._descriptors.pop(owner.tid)
        return OpenFile(
            kind=KINDS[owner.kind],
            comm=comm_text(owner.comm),
            uid=owner.uid,
            privileged=bool(owner.is_privileged),
            descriptors=(own_key, *sorted(self._descriptors.values())),
            queue=Queue(
                length=owner.queue_length,
                limit=None if owner.queue_limit == UNLIMITED else owner.queue_limit,
                overflowed=bool(owner.overflowed),
                unanswered=owner.unanswered,
            ),
            cgroup=owner.cgroup,
            charged=owner.watches if owner.kind else owner.marks,
            address=owner.address,
        )


class FileIterator:
    """
    The iterator over groups and instances, of a loaded set of programs.

    Args:
        loaded: the set with the iterator.
        proc: the procfs with the marks and watches of what is listed.
        interval: seconds between two passes.
    """

    def __init__(
        self,
        loaded: LoadedFsnotify,
        proc: Path = PROC,
        *,
        interval: float = INTERVAL_SECONDS,
    ) -> None:
        """Make no pass yet."""
        self._proc = proc
        self._link = loaded.fds["iterator"]
        self._has_users = not loaded.users_reason
        self._interval = interval

    def list(self) -> Inventory:
        """
        Return the groups and instances that are open now.

        The owner of a file is the earliest started of the privileged processes and of
        the first MAX_HOLDERS other processes in the order of their pids.

        Raises:
            OSError: the kernel refuses a pass, or the procfs is gone.
        """
        (self._proc / "1").stat()
        scanned = time.time()
        found: dict[int, FoundFile] = {}
        users: dict[int, UserCounts] = {}
        for record in map(Record._make, read_records(self._link, RECORD)):
            users[record.charged_uid] = UserCounts(*record[4:8])
            if record.address in found:
                found[record.address].add(record)
            else:
                found[record.address] = FoundFile(record)
        return Inventory(
            files=tuple(each.open_file() for each in found.values()),
            scanned=scanned,
            users=users if self._has_users else None,
        )

    def delay(self, cpu_seconds: float) -> float:
        """Return the seconds to wait after a pass that took *cpu_seconds*."""
        return max(self._interval, PASSES.delay(cpu_seconds))
