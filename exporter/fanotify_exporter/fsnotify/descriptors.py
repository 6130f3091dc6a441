"""
Descriptors of fanotify groups that a process has open.

Another user's process takes CAP_DAC_READ_SEARCH (to list its fd folder) and
CAP_SYS_PTRACE (to read its links and fdinfo, and for kcmp(2)). Any user may read
comm, stat and status. Only the descriptor table of a process's first thread is read,
so some groups are not found: groups in flight over a socket, groups registered only
with io_uring, and groups in the table of another thread, also after the first thread
has ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from fanotify_exporter.fsnotify.kcmp import File
from fanotify_exporter.fsnotify.model import DescriptorKey, Group, OwnedGroup
from fanotify_exporter.fsnotify.throttle import yielding_gil
from fanotify_exporter.procfs.process import (
    LINKS_AT_ONCE,
    count_fds,
    opened_process,
    read_credentials,
    read_linked_fds,
    read_process_comm,
    read_start_time,
)
from fanotify_exporter.uapi.comm import comm_text


# The target of /proc/PID/fd/N for a group; fanotify_init() in
# fs/notify/fanotify/fanotify_user.c.
GROUP_LINK: Final = "anon_inode:[fanotify]"

# Group descriptors returned of one process; max_user_groups is 128 by default.
MAX_FOUND: Final = 256

# Descriptors inspected of one process, which takes 0.6 s.
MAX_INSPECTED: Final = 1024 * LINKS_AT_ONCE

# Raised when a process ended or a descriptor was closed between two reads.
GONE: Final = (FileNotFoundError, ProcessLookupError)


@dataclass(frozen=True, slots=True, order=True)
class GroupDescriptor:
    """
    One descriptor of a group. Descriptors sort by start of their process.

    Attributes:
        started: when the process started, in clock ticks after boot.
        comm: printable name of the process's first thread.
        uid: effective user id of the process now. The kernel charges the user who
            made the group, and does not show that user.
        privileged: whether the process has CAP_SYS_ADMIN in the initial user
            namespace.
    """

    started: int
    pid: int
    fd: int
    comm: str
    uid: int
    privileged: bool

    @property
    def file(self) -> File:
        """Return the arguments for kcmp(2)."""
        return self.pid, self.fd

    @property
    def key(self) -> DescriptorKey:
        """Return the part that stays the same when comm or uid change."""
        return self.started, self.pid, self.fd


def find_group_descriptors(
    pid: int, proc: Path, fds: Iterable[int] | None = None
) -> tuple[tuple[GroupDescriptor, ...], int]:
    """
    Return the group descriptors of a process, and the number of descriptors left out.

    After MAX_FOUND group descriptors or MAX_INSPECTED descriptors of any kind the rest
    is counted and not inspected. The kernel lists low numbers first. A process that
    has ended has none.

    Args:
        pid: the process.
        proc: where procfs is mounted.
        fds: the only descriptors to inspect; None for all.

    Raises:
        PermissionError: this process may not read the descriptors of *pid*.
    """
    with suppress(*GONE), opened_process(pid, proc) as process:
        found, left_out = _read_group_fds(process, fds)
        if not found:
            return (), left_out
        started = read_start_time(process)
        comm = comm_text(read_process_comm(process))
        who = read_credentials(process)
        return tuple(
            GroupDescriptor(started, pid, fd, comm, who.uid, who.privileged)
            for fd in found
        ), left_out
    return (), 0


def owned_group(descriptors: Sequence[GroupDescriptor], group: Group) -> OwnedGroup:
    """Return *group* with its known *descriptors*, the owner's first."""
    owner = descriptors[0]
    keys = tuple(descriptor.key for descriptor in descriptors)
    return OwnedGroup(owner.comm, owner.uid, group, owner.privileged, keys)


def is_privileged(pid: int, proc: Path) -> bool:
    """Return whether a process has CAP_SYS_ADMIN in the initial user namespace."""
    with suppress(*GONE), opened_process(pid, proc) as process:
        return read_credentials(process).privileged
    return False


def _read_group_fds(process: int, fds: Iterable[int] | None) -> tuple[list[int], int]:
    found: list[int] = []
    inspected = 0
    try:
        batches = read_linked_fds(process, GROUP_LINK, fds)
        for batch in yielding_gil(islice(batches, MAX_INSPECTED // LINKS_AT_ONCE), 1):
            found += batch
            inspected += LINKS_AT_ONCE
            if len(found) >= MAX_FOUND:
                break
        else:
            if inspected < MAX_INSPECTED:
                return found, 0
        rest = max(0, count_fds(process) - inspected)
        return found[:MAX_FOUND], len(found[MAX_FOUND:]) + rest
    except PermissionError:
        # A process that is ending refuses too. Once it has ended, the next line
        # raises an error of GONE instead.
        read_start_time(process)
        raise
