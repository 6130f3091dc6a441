"""Reading of the marks of a group and the watches of an instance, from fdinfo."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fanotify_exporter.fsnotify.descriptors import GONE, KINDS
from fanotify_exporter.fsnotify.fdinfo import parse_fdinfo
from fanotify_exporter.fsnotify.inotify_fdinfo import count_watches
from fanotify_exporter.fsnotify.inventory import Kind
from fanotify_exporter.fsnotify.model import DescriptorKey, Group
from fanotify_exporter.fsnotify.throttle import EXPENSIVE_SECONDS, yielding_gil
from fanotify_exporter.procfs.process import (
    opened_process,
    read_fdinfo,
    read_link,
    read_start_time,
)


# A group, or the number of watches of an instance.
Content = Group | int


@dataclass(frozen=True, slots=True)
class Reading:
    """
    What the latest reading of an open file found.

    Attributes:
        content: None if no descriptor refers to the file any more, and for a group
            that was not read yet.
        place: the descriptor that was read, an index into those of the file.
        at: when the file was read, by the clock of the schedule; infinite if the file
            is not to be read.
        seconds: the CPU time that reading took.
    """

    content: Content | None
    place: int = 0
    at: float = -math.inf
    seconds: float = 0.0

    @property
    def is_expensive(self) -> bool:
        """Return whether reading takes too long for every poll."""
        return self.seconds >= EXPENSIVE_SECONDS


# Marks or watches of a user above which the user's files are not read. The kernel makes
# the text of one in its own memory, charged to the reader: 64 MiB for 500,000 marks, in
# a buffer of up to twice the size (seq_read_iter() in fs/seq_file.c). The limits of the
# systemd unit and of the pod are 256 MiB.
MAX_CHARGED: Final = 600_000

# The text for files that exist and cannot be read.
UNKNOWN: Final[dict[Kind, Content]] = {Kind.FANOTIFY: Group(0, ()), Kind.INOTIFY: 0}

# An instance that was not read yet exists, without known watches. The flags of such a
# group are not known either.
UNREAD = {Kind.FANOTIFY: Reading(None), Kind.INOTIFY: Reading(0)}


def read_descriptor(
    descriptor: DescriptorKey, kind: Kind, proc: Path, *, is_privileged: bool
) -> Content | None:
    """
    Return what the descriptor refers to, None if closed or not of *kind* any more.

    Args:
        descriptor: the start time and pid of a process, and the number.
        kind: what the descriptor was.
        proc: where procfs is mounted.
        is_privileged: as for parse_fdinfo().

    Raises:
        PermissionError: another user's process takes CAP_SYS_PTRACE.
    """
    started, pid, fd = descriptor
    with suppress(*GONE), opened_process(pid, proc) as process:
        if read_start_time(process) != started:
            return None
        if KINDS.get(read_link(process, fd)) is not kind:
            return None
        chunks = yielding_gil(read_fdinfo(process, fd), every=1)
        if kind is Kind.FANOTIFY:
            return parse_fdinfo(chunks, is_privileged=is_privileged)
        return count_watches(chunks)
    return None
