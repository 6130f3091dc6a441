"""
Scanner that reads the marks and watches of the open files that a source lists.

The source is a scan of /proc or an iterator of the kernel. Marks and watches come from
the fdinfo of an open file; the kernel takes some microseconds for each. Between two
lists each poll reads the cheap files again, and expensive ones after a delay. Processes
without CAP_SYS_ADMIN are not trusted: they have CPU budgets of their own, in which
users take turns.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from fanotify_exporter.fsnotify.inventory import FileKey, Inventory, Kind, OpenFile
from fanotify_exporter.fsnotify.model import (
    DescriptorKey,
    Group,
    GroupScan,
    InotifyInstance,
    OwnedGroup,
)
from fanotify_exporter.fsnotify.readings import (
    MAX_CHARGED,
    UNKNOWN,
    UNREAD,
    Content,
    Reading,
    read_descriptor,
)
from fanotify_exporter.fsnotify.throttle import READS, UserBudget
from fanotify_exporter.procfs import PROC


# Seconds after which the result of a poll is too old. A poll hangs if the exporter
# dropped the last reference to a group whose release waits for a permission listener.
MAX_AGE: Final = 60.0


class Source(Protocol):
    """A list of groups and instances, without their marks and watches."""

    def list(self) -> Inventory:
        """Return the open files that exist now."""

    def delay(self, cpu_seconds: float) -> float:
        """Return the seconds to wait after a list that took *cpu_seconds*."""


class GroupScanner:
    """
    Scanner of the groups and instances that *source* lists.

    Args:
        source: lists groups and instances.
        proc: where procfs is mounted, with the pids that *source* uses.
        now: the clock of the schedule, in seconds.
        cpu: the CPU time of the calling thread, in seconds.
    """

    def __init__(
        self,
        source: Source,
        proc: Path = PROC,
        *,
        now: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        """List nothing yet."""
        self._source = source
        self._proc = proc
        self._now = now
        self._cpu = cpu
        self._inventory: Inventory | None = None
        self._readings: dict[FileKey, Reading] = {}
        self._refused: set[int] = set()
        self._budgets = defaultdict[tuple[Kind, bool], UserBudget](
            partial(UserBudget, now)
        )
        # When a file of each unprivileged user was read last.
        self._turns: dict[int, float] = {}
        self._next_list = self._next_read = -math.inf
        self._other_seconds = 0.0

    def poll(self) -> GroupScan:
        """
        List the open files if that is due, and read those that are due.

        The first poll has the groups of all privileged processes. An instance that was
        not read yet has no watches.

        Raises:
            OSError: the source cannot list.
        """
        started = self._cpu()
        self._other_seconds = 0.0
        try:
            inventory = self._inventory
            if not inventory or self._now() >= self._next_list:
                inventory = self._list()
            self._read_privileged(inventory)
            self._read_users(inventory)
            return self._result(inventory)
        finally:
            seconds = self._cpu() - started - self._other_seconds
            self._next_read = max(self._next_read, self._now() + READS.delay(seconds))

    def delay(self) -> float:
        """Return the seconds to wait until the next poll."""
        next_poll = min(self._next_list, self._next_read)
        if not self._inventory:  # the source could not list
            next_poll = self._next_list
        return max(0.0, next_poll - self._now())

    def _list(self) -> Inventory:
        """List the open files, and keep what is known of them."""
        started = self._cpu()
        self._inventory = None
        try:
            inventory = self._source.list()
        finally:
            seconds = self._cpu() - started
            self._other_seconds += seconds
            delay = max(self._source.delay(seconds), READS.min_delay)
            self._next_list = self._now() + delay
        self._readings = {file.key: self._known(file) for file in inventory.files}
        self._refused &= {
            pid for file in inventory.files for _, pid, _ in file.descriptors
        }
        self._inventory = inventory
        return inventory

    def _known(self, file: OpenFile) -> Reading:
        """Return the latest reading of a file that was listed anew."""
        if not file.privileged and file.charged > MAX_CHARGED:
            return Reading(UNKNOWN[file.kind], at=math.inf)
        known = self._readings.get(file.key, UNREAD[file.kind])
        if known.at == math.inf:
            return UNREAD[file.kind]
        if file.address:
            return replace(known, place=0)
        # The first descriptor may refer to another file now if it was not the one read.
        return known if known.place == 0 else UNREAD[file.kind]

    def _read_privileged(self, inventory: Inventory) -> None:
        """Read the files of privileged processes, expensive ones after a delay."""
        now = self._now()
        files = [file for file in inventory.files if file.privileged]
        known = [self._readings[file.key] for file in files]
        expensive_seconds = sum(each.seconds for each in known if each.is_expensive)
        expensive_delay = READS.delay(expensive_seconds)
        for file, last in zip(files, known, strict=True):
            next_read = (
                last.at + expensive_delay if last.is_expensive else self._next_read
            )
            if last.at == -math.inf or now >= next_read:
                reading = self._read(file)
                if reading.is_expensive:
                    self._other_seconds += reading.seconds

    def _read_users(self, inventory: Inventory) -> None:
        """
        Read files of unprivileged processes.

        The user whose files were not read for longest is the first. A user cannot put
        off the others with a file that is always new.
        """

        def turn(file: OpenFile) -> tuple[float, float]:
            return self._turns[file.uid], self._readings[file.key].at

        files = [file for file in inventory.files if not file.privileged]
        self._turns = {file.uid: self._turns.get(file.uid, -math.inf) for file in files}
        for file in sorted(files, key=turn):
            last = self._readings[file.key]
            if last.at == math.inf:  # too large
                continue
            budget = self._budgets[file.kind, last.is_expensive]
            if budget.is_due():
                seconds = self._read(file).seconds
                self._turns[file.uid] = self._now()
                budget.record(seconds)
                self._other_seconds += seconds

    def _read(self, file: OpenFile) -> Reading:
        """Read a file now, however long that takes."""
        started = self._cpu()
        content, place = self._first_content(file)
        if content is None and file.address:
            # The file is open, and its descriptor has another number by now.
            last = self._readings[file.key].content
            content = UNKNOWN[file.kind] if last is None else last
        reading = Reading(content, place, self._now(), self._cpu() - started)
        self._readings[file.key] = reading
        return reading

    def _first_content(self, file: OpenFile) -> tuple[Content | None, int]:
        """Read the first descriptor that still is one of the kind; return its place."""
        for place, descriptor in enumerate(file.descriptors):
            content = self._read_descriptor(descriptor, file)
            if content is not None:
                return content, place
        return None, 0

    def _read_descriptor(
        self, descriptor: DescriptorKey, file: OpenFile
    ) -> Content | None:
        _, pid, _ = descriptor
        try:
            content = read_descriptor(
                descriptor, file.kind, self._proc, is_privileged=file.privileged
            )
        except PermissionError:
            self._refused.add(pid)
            return UNREAD[file.kind].content
        self._refused.discard(pid)
        return content

    def _result(self, inventory: Inventory) -> GroupScan:
        groups = []
        instances = []
        for file in inventory.files:
            reading = self._readings[file.key]
            descriptors = file.descriptors[reading.place :]
            content = reading.content
            held = (file.privileged, descriptors)
            if isinstance(content, Group):
                more = (*held, file.queue, file.cgroup)
                groups.append(OwnedGroup(file.comm, file.uid, content, *more))
            elif content is not None:
                about = (file.comm, file.uid, content, *held, file.cgroup)
                instances.append(InotifyInstance(*about))
        return GroupScan(
            groups=tuple(groups),
            unreadable=inventory.unreadable + len(self._refused),
            scanned=inventory.scanned,
            left_out=inventory.left_out,
            instances=tuple(instances),
            users=inventory.users,
        )
