"""
Scanner of /proc for fanotify groups.

A full scan inspects every descriptor of every process. A poll between two full scans
inspects only the known groups and the processes that called fanotify_init(2) lately,
so that new groups, new marks and closed groups show within seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Final

from fanotify_exporter.fsnotify.descriptors import (
    GONE,
    DescriptorKey,
    GroupDescriptor,
    find_group_descriptors,
)
from fanotify_exporter.fsnotify.fdinfo import parse_fdinfo
from fanotify_exporter.fsnotify.model import Group, GroupScan, OwnedGroup
from fanotify_exporter.fsnotify.open_files import (
    group_by_open_file,
    open_file_comparison,
)
from fanotify_exporter.fsnotify.throttle import ScanBudget, yielding_gil
from fanotify_exporter.procfs import PROC
from fanotify_exporter.procfs.process import opened_process, read_fdinfo, read_pids
from fanotify_exporter.system.cpu_budget import CpuBudget


# Full scans take at most 5 % of a CPU.
FULL_SCANS: Final = CpuBudget(share=0.05)

# A full scan yields the GIL after five processes, about 1 ms of CPU time.
PROCESSES_AT_ONCE: Final = 5

# Returns pids that called fanotify_init(2) lately, and whether the set is complete.
RecentPids = Callable[[], tuple[frozenset[int], bool]]


class GroupScanner:
    """
    Scanner of one procfs, with the descriptors and groups found so far.

    Args:
        proc: where procfs is mounted.
        interval: seconds between two full scans.
        recent_pids: pids in the numbering of *proc* that called fanotify_init(2)
            lately, and whether the set is complete.
        now: the clock of the schedule, in seconds.
        cpu: the CPU time of the calling thread, in seconds.
    """

    def __init__(
        self,
        proc: Path = PROC,
        *,
        interval: float = 30.0,
        recent_pids: RecentPids = lambda: (frozenset(), True),
        now: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        """Check whether open files can be compared; scan no process yet."""
        self._proc = proc
        self._interval = interval
        self._recent_pids = recent_pids
        self._now = now
        self._cpu = cpu
        self._compare, self.inexact_reason = open_file_comparison(proc)
        self._budget = ScanBudget(now)
        self._descriptors: dict[int, tuple[GroupDescriptor, ...]] = {}
        self._groups: dict[DescriptorKey, Group] = {}
        self._recent: frozenset[int] = frozenset()
        self._refused: set[int] = set()
        self._scanned = 0.0
        self._next_scan = self._earliest_scan = now()

    def poll(self) -> GroupScan:
        """Inspect known groups and recent pids, or all processes if that is due."""
        if self._now() < self._next_scan:
            self._inspect_known()
        if self._now() >= self._next_scan:
            self._inspect_all()
        groups = tuple(self._read_groups())
        self._budget.retain(self._recent | self._groups.keys())
        return GroupScan(groups, len(self._refused), self._scanned)

    def delay(self) -> float:
        """Return the seconds to wait until the next poll."""
        return self._budget.delay()

    def _inspect_all(self) -> None:
        started = self._cpu()
        pids = read_pids(self._proc)
        ended = self._descriptors.keys() - set(pids)
        self._refused.clear()
        for pid in yielding_gil([*ended, *pids], PROCESSES_AT_ONCE):
            self._inspect(pid)
        self._scanned = time.time()
        self._earliest_scan = self._now() + FULL_SCANS.delay(self._cpu() - started)
        self._next_scan = max(self._earliest_scan, self._now() + self._interval)

    def _inspect_known(self) -> None:
        recent, is_complete = self._recent_pids()
        if not is_complete:
            self._request_full_scan()
        for pid in recent:
            if self._budget.is_due(pid):
                with self._timed(pid):
                    self._inspect(pid)
        with self._timed(None):
            for pid, descriptors in list(self._descriptors.items()):
                self._inspect(pid, [descriptor.fd for descriptor in descriptors])
        if recent - self._recent - self._descriptors.keys():
            # A process made a group and has none: a child may have inherited it.
            self._request_full_scan()
        self._recent = recent

    def _inspect(self, pid: int, fds: Iterable[int] | None = None) -> None:
        """Update the group descriptors of a process; inspect *fds*, or all."""
        found: tuple[GroupDescriptor, ...] = ()
        try:
            found = find_group_descriptors(pid, self._proc, fds)
        except PermissionError:
            self._refused.add(pid)
        before = self._descriptors.pop(pid, ())
        if found:
            self._descriptors[pid] = found
        if {each.file for each in before} - {each.file for each in found}:
            # Another process may have the same group open.
            self._request_full_scan()

    def _request_full_scan(self) -> None:
        """Make a full scan due as soon as FULL_SCANS allows."""
        self._next_scan = self._earliest_scan

    def _read_groups(self) -> Iterator[OwnedGroup]:
        known, self._groups = self._groups, {}
        all_descriptors = chain.from_iterable(self._descriptors.values())
        for descriptors in group_by_open_file(all_descriptors, self._compare):
            for descriptor in descriptors:
                group = self._read(descriptor, known.get(descriptor.key))
                if group:
                    self._groups[descriptor.key] = group
                    yield OwnedGroup(
                        descriptor.comm, descriptor.uid, group, descriptor.privileged
                    )
                    break

    def _read(self, descriptor: GroupDescriptor, known: Group | None) -> Group | None:
        """Return the group from fdinfo, or *known* if reading is not due yet."""
        if not self._budget.is_due(descriptor.key):
            return known
        with self._timed(descriptor.key), suppress(*GONE):
            try:
                with opened_process(descriptor.pid, self._proc) as process:
                    chunks = read_fdinfo(process, descriptor.fd)
                    return parse_fdinfo(yielding_gil(chunks, every=1))
            except PermissionError:
                self._refused.add(descriptor.pid)
        return None

    @contextmanager
    def _timed(self, key: Hashable) -> Iterator[None]:
        """Record the CPU time of the with block as the cost of *key*."""
        started = self._cpu()
        yield
        self._budget.record(key, self._cpu() - started)
