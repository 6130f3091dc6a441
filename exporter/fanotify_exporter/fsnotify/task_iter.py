"""Permission groups and waiting tasks, from passes of a task_file iterator."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from fanotify_exporter.bpf.iterator import read_pass
from fanotify_exporter.bpf.loaded import LoadedPermission
from fanotify_exporter.bpf.permission_maps import CLASSES
from fanotify_exporter.fsnotify.waits import (
    MAX_WAITERS,
    PASSES,
    PermissionGroup,
    Waiter,
    WaitScan,
)
from fanotify_exporter.uapi.comm import comm_text


# struct group_record and struct waiter_record of bpf/permission/iterator.bpf.c, and
# their first members.
GROUP_RECORD: Final = struct.Struct("=IIQQQIIII16s16s")
WAITER_RECORD: Final = struct.Struct("=IIIIQQQ16s")
RECORD_GROUP, RECORD_WAITER = 1, 2

# enum list_end
LIST_NOT_READ, LIST_COMPLETE, LIST_GOES_ON, LIST_CHANGED = range(4)

# Passes of a scan. One pass lists 256 waiters of a group; the other passes are for a
# list that starts again because a pass came too late.
MAX_PASSES: Final = MAX_WAITERS // 256 + 4


@dataclass(slots=True)
class _FoundGroup:
    """What the records of a scan say about a group."""

    address: int
    group_class: str
    listener: int
    answers: int
    comm: str
    cgroup: int
    holders: set[int] = field(default_factory=set)
    # By thread id.
    waiters: dict[int, Waiter] = field(default_factory=dict)
    # More tasks wait behind the last of waiters.
    goes_on: bool = False
    # The latest pass listed the rest of a list without its begin.
    is_incomplete: bool = False


class WaitIterator:
    """The iterator over waiting tasks, of loaded permission programs."""

    def __init__(self, loaded: LoadedPermission) -> None:
        """Use the iterator of *loaded*, which has one: iterator_reason is empty."""
        self._link = loaded.fds["iterator"]
        self._poll_seconds = 0.0

    def poll(self) -> WaitScan:
        """Return scan(), and record its cost."""
        started = time.thread_time()
        try:
            return self.scan()
        finally:
            self._poll_seconds = time.thread_time() - started

    def delay(self) -> float:
        """Return the seconds to wait until the next poll."""
        return PASSES.delay(self._poll_seconds)

    def scan(self) -> WaitScan:
        """
        Return the groups and the tasks that wait now.

        A group with more than 256 waiting tasks takes further passes, up to
        MAX_WAITERS tasks.

        Raises:
            OSError: the kernel refuses a pass.
        """
        scanned = time.clock_gettime(time.CLOCK_BOOTTIME)
        found: dict[int, _FoundGroup] = {}
        for _ in range(MAX_PASSES):
            _read(read_pass(self._link), found)
            if not any(_is_unfinished(each) for each in found.values()):
                break
        waiters = (each for group in found.values() for each in group.waiters.values())
        return WaitScan(
            groups=tuple(map(_parse_group, found.values())),
            waiters=tuple(sorted(waiters, key=lambda waiter: waiter.since)),
            scanned=scanned,
        )


def _is_unfinished(group: _FoundGroup) -> bool:
    """Return whether a further pass may tell more waiters of *group*."""
    goes_on = group.goes_on and len(group.waiters) < MAX_WAITERS
    return goes_on or group.is_incomplete


def _read(records: bytes, found: dict[int, _FoundGroup]) -> None:
    """Add what the *records* of one pass say to *found*."""
    listed: dict[int, dict[int, Waiter]] = {}
    for kind, record in _split(records):
        if kind == RECORD_WAITER:
            waiter = _parse_waiter(record)
            listed.setdefault(waiter.group, {})[waiter.tid] = waiter
        else:
            _add_group(record, found, listed)


def _split(records: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each record and its first member."""
    start = 0
    while start < len(records):
        (kind,) = struct.unpack_from("=I", records, start)
        layout = GROUP_RECORD if kind == RECORD_GROUP else WAITER_RECORD
        yield kind, records[start : start + layout.size]
        start += layout.size


def _add_group(
    record: bytes,
    found: dict[int, _FoundGroup],
    listed: dict[int, dict[int, Waiter]],
) -> None:
    (_, number, address, answers, cgroup, holder, listener, position, end, *comms) = (
        GROUP_RECORD.unpack(record)
    )
    holder_comm, listener_comm = comms
    group = found.setdefault(
        address,
        _FoundGroup(
            address,
            CLASSES[number],
            listener,
            answers,
            comm_text(listener_comm if any(listener_comm) else holder_comm),
            cgroup,
        ),
    )
    group.holders.add(holder)
    if holder == listener:
        group.cgroup = cgroup
    if end == LIST_NOT_READ:
        return
    if position == 0:
        group.waiters.clear()
    group.is_incomplete = position != len(group.waiters)
    if not group.is_incomplete:
        group.waiters |= listed.get(address, {})
    group.goes_on = end == LIST_GOES_ON


def _parse_waiter(record: bytes) -> Waiter:
    _, tid, pid, is_late, group, since_ns, cgroup, comm = WAITER_RECORD.unpack(record)
    return Waiter(
        tid=tid,
        pid=pid,
        comm=comm_text(comm),
        group=group,
        since=since_ns / 1e9,
        is_since_seen=bool(is_late),
        cgroup=cgroup,
    )


def _parse_group(group: _FoundGroup) -> PermissionGroup:
    return PermissionGroup(
        address=group.address,
        comm=group.comm,
        group_class=group.group_class,
        listener=group.listener,
        holders=frozenset(group.holders),
        waiting=len(group.waiters),
        oldest_since=min(
            (waiter.since for waiter in group.waiters.values()), default=None
        ),
        answers=group.answers,
        is_cut=group.goes_on,
        cgroup=group.cgroup,
    )
