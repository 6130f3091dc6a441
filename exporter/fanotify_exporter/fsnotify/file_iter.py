"""fanotify groups and inotify instances, from passes of a task_file iterator."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from fanotify_exporter.bpf.iterator import read_pass
from fanotify_exporter.bpf.loaded import LoadedFsnotify
from fanotify_exporter.fsnotify.inventory import Inventory, Kind, OpenFile
from fanotify_exporter.fsnotify.model import Queue, UserCounts
from fanotify_exporter.procfs import PROC
from fanotify_exporter.system.cpu_budget import CpuBudget
from fanotify_exporter.uapi.comm import comm_text


INTERVAL_SECONDS: Final = 2.0

# Passes take at most 1 % of a CPU.
PASSES: Final = CpuBudget(share=0.01)

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
        the first 16 other processes in the order of their pids.

        Raises:
            OSError: the kernel refuses a pass, or the procfs is gone.
        """
        (self._proc / "1").stat()
        scanned = time.time()
        by_address: dict[int, list[Record]] = {}
        users: dict[int, UserCounts] = {}
        for record in _split(read_pass(self._link)):
            by_address.setdefault(record.address, []).append(record)
            users[record.charged_uid] = UserCounts(*record[4:8])
        return Inventory(
            files=tuple(map(_open_file, by_address.values())),
            scanned=scanned,
            users=users if self._has_users else None,
        )

    def delay(self, cpu_seconds: float) -> float:
        """Return the seconds to wait after a pass that took *cpu_seconds*."""
        return max(self._interval, PASSES.delay(cpu_seconds))


def _split(records: bytes) -> Iterator[Record]:
    return map(Record._make, RECORD.iter_unpack(records))


def _open_file(records: Iterable[Record]) -> OpenFile:
    ordered = sorted(records, key=lambda each: (each.started_ns, each.tid))
    owner = ordered[0]
    return OpenFile(
        kind=KINDS[owner.kind],
        comm=comm_text(owner.comm),
        uid=owner.uid,
        privileged=bool(owner.is_privileged),
        descriptors=tuple(
            (each.started_ns // TICK_NS, each.tid, each.fd) for each in ordered
        ),
        queue=Queue(
            length=owner.queue_length,
            limit=None if owner.queue_limit == UNLIMITED else owner.queue_limit,
            overflowed=bool(owner.overflowed),
            unanswered=owner.unanswered,
        ),
        cgroup=owner.cgroup,
    )
