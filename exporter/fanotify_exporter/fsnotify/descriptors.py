"""
Descriptors of fanotify groups and inotify instances that a process has open.

Another user's process takes CAP_DAC_READ_SEARCH (to list its fd folder) and
CAP_SYS_PTRACE (to read its links and fdinfo, and for kcmp(2)). Any user may read
comm, stat and status. Only the descriptor table of a process's first thread is read,
so some open files are not found: files in flight over a socket, files registered only
with io_uring, and files in the table of another thread, also after the first thread
has ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from fanotify_exporter.fsnotify.inventory import Kind
from fanotify_exporter.fsnotify.kcmp import File
from fanotify_exporter.fsnotify.model import DescriptorKey
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


# The targets of /proc/PID/fd/N; fanotify_init() in fs/notify/fanotify/fanotify_user.c
# and inotify_init1() in fs/notify/inotify/inotify_user.c.
GROUP_LINK: Final = "anon_inode:[fanotify]"
INSTANCE_LINK: Final = "anon_inode:inotify"
KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {GROUP_LINK: Kind.FANOTIFY, INSTANCE_LINK: Kind.INOTIFY}
)

# Descriptors of an unprivileged process that are inspected, which takes 0.25 s.
MAX_INSPECTED: Final = 400 * LINKS_AT_ONCE

# An inspection ends after so many descriptors of a kind. The default limits of a user
# are 128 groups and 128 instances; hosts with containers allow 8,192 instances.
MAX_FOUND: Final[Mapping[Kind, int]] = MappingProxyType(
    {Kind.FANOTIFY: 256, Kind.INOTIFY: 8192}
)

# Raised when a process ended or a descriptor was closed between two reads.
GONE: Final = (FileNotFoundError, ProcessLookupError)


@dataclass(frozen=True, slots=True, order=True)
class Descriptor:
    """
    One descriptor of a group or an instance. They sort by start of their process.

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
    kind: Kind
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


Descriptors = tuple[Descriptor, ...]


def find_descriptors(
    pid: int, proc: Path, *, bounded: bool = True
) -> tuple[Descriptors, int]:
    """
    Return the descriptors of groups and instances, and the number of those left out.

    After MAX_FOUND descriptors of a kind or MAX_INSPECTED descriptors the rest is
    counted and not inspected. The kernel lists low numbers first. A process that has
    ended has none.

    Args:
        pid: the process.
        proc: where procfs is mounted.
        bounded: False to inspect all descriptors.

    Raises:
        PermissionError: this process may not read the descriptors of *pid*.
    """
    with suppress(*GONE), opened_process(pid, proc) as process:
        found, left_out = _find_fds(process, bounded=bounded)
        if not found:
            return (), left_out
        started = read_start_time(process)
        comm = comm_text(read_process_comm(process))
        who = read_credentials(process)
        return tuple(
            Descriptor(started, pid, fd, KINDS[link], comm, who.uid, who.privileged)
            for fd, link in found
        ), left_out
    return (), 0


def is_privileged(pid: int, proc: Path) -> bool:
    """Return whether a process has CAP_SYS_ADMIN in the initial user namespace."""
    with suppress(*GONE), opened_process(pid, proc) as process:
        return read_credentials(process).privileged
    return False


def _find_fds(process: int, *, bounded: bool) -> tuple[list[tuple[int, str]], int]:
    """Return descriptors with their links, and the number of those left out."""
    found: list[tuple[int, str]] = []
    numbers = Counter[Kind]()
    inspected = 0
    try:
        for batch in yielding_gil(read_linked_fds(process, KINDS), every=1):
            found += batch
            inspected += LINKS_AT_ONCE
            if bounded:
                numbers.update(KINDS[link] for _, link in batch)
                if inspected >= MAX_INSPECTED or any(
                    numbers[kind] >= MAX_FOUND[kind] for kind in numbers
                ):
                    return found, max(0, count_fds(process) - inspected)
    except PermissionError:
        # A process that is ending refuses too. Once it has ended, the next line
        # raises an error of GONE instead.
        read_start_time(process)
        raise
    return found, 0
