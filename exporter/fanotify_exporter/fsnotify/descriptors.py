"""
Who holds fanotify groups: a process's descriptors in, group_by_open_file groups out.

For another user's process this takes CAP_DAC_READ_SEARCH (to open its fd folder)
and CAP_SYS_PTRACE (to read its links and fdinfo, and for kcmp(2)); its comm, stat
and status anyone may read. Groups that no process's own descriptor table holds
are not seen: those in flight over a socket, those only registered with io_uring,
those in a thread's private table or of a process whose first thread has ended.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from errno import EBADF, ESRCH
from functools import cmp_to_key
from itertools import chain, groupby
from pathlib import Path

from fanotify_exporter.fsnotify.kcmp import Comparison, File, compare_files
from fanotify_exporter.fsnotify.throttle import yielding_gil
from fanotify_exporter.procfs.process import (
    opened_process,
    read_effective_uid,
    read_linked_fds,
    read_process_comm,
    read_start_time,
    shows_our_pids,
)
from fanotify_exporter.uapi.comm import comm_text


LINK = "anon_inode:[fanotify]"
GONE = (FileNotFoundError, ProcessLookupError)
"""A process that ended, or a descriptor that was closed, while we looked."""

DescriptorKey = tuple[int, int, int]


@dataclass(frozen=True, slots=True, order=True)
class GroupDescriptor:
    """
    One descriptor of a group; who started first sorts first.

    Attributes:
        started: when its process did, in clock ticks after the boot.
        comm: printable name of the process's first thread.
        uid: effective user id of the process now; the kernel charges the one that
            made the group.
    """

    started: int
    pid: int
    fd: int
    comm: str
    uid: int

    @property
    def file(self) -> File:
        """Return what kcmp(2) takes."""
        return self.pid, self.fd

    @property
    def key(self) -> DescriptorKey:
        """Return what stays when comm or uid change."""
        return self.started, self.pid, self.fd


def find_group_descriptors(
    pid: int, proc: Path, fds: Iterable[int] | None = None
) -> tuple[GroupDescriptor, ...]:
    """
    Return the descriptors of groups that a process has; none if it is gone.

    If *fds* are given, no other is looked at.

    Raises:
        PermissionError: the process refuses.
    """
    with suppress(*GONE), opened_process(pid, proc) as process:
        found = _read_group_fds(process, fds)
        if not found:
            return ()
        started = read_start_time(process)
        comm = comm_text(read_process_comm(process))
        uid = read_effective_uid(process)
        return tuple(GroupDescriptor(started, pid, fd, comm, uid) for fd in found)
    return ()


def _read_group_fds(process: int, fds: Iterable[int] | None) -> list[int]:
    try:
        parts = yielding_gil(read_linked_fds(process, LINK, fds), every=1)
        return list(chain.from_iterable(parts))
    except PermissionError:
        # A process that is just ending refuses too; this raises once it is gone.
        read_start_time(process)
        raise


def open_file_comparison(proc: Path) -> tuple[Comparison | None, str]:
    """Return how to tell open files apart, or None and why there is no way."""
    if not shows_our_pids(proc):
        return None, f"{proc} is another pid namespace's"
    with opened_process(os.getpid(), proc) as process:
        ours = os.getpid(), process
        try:
            compare_files(ours, ours)
        except OSError as error:
            return None, str(error)
    return compare_files, ""


def group_by_open_file(
    holders: Iterable[GroupDescriptor], compare: Comparison | None
) -> list[tuple[GroupDescriptor, ...]]:
    """
    Return the holders of each group, together, who started first before others.

    Without a way to compare, or where the kernel refuses to, each descriptor is
    taken for a group of its own: too many may be counted, none is hidden.
    """
    if compare is None:
        return [(holder,) for holder in sorted(holders)]
    comparable, alone = _comparable(holders, compare)
    try:
        groups = _same_file(comparable, compare)
    except OSError:  # one went while we compared, and is not comparable any more
        return group_by_open_file([*comparable, *alone], compare)
    return groups + [(holder,) for holder in alone]


def _comparable(
    holders: Iterable[GroupDescriptor], compare: Comparison
) -> tuple[list[GroupDescriptor], list[GroupDescriptor]]:
    """Return those that can be compared, and those that refuse; not those gone."""
    comparable, refused = [], []
    for holder in holders:
        try:
            compare(holder.file, holder.file)
        except OSError as error:
            if error.errno not in (ESRCH, EBADF):
                refused.append(holder)
        else:
            comparable.append(holder)
    return comparable, refused


def _same_file(
    holders: Sequence[GroupDescriptor], compare: Comparison
) -> list[tuple[GroupDescriptor, ...]]:
    key = cmp_to_key(compare)
    ordered = sorted(holders, key=lambda holder: key(holder.file))
    groups = groupby(ordered, key=lambda holder: key(holder.file))
    return [tuple(sorted(group)) for _, group in groups]
