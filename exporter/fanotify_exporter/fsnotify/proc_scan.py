"""
Scanner of /proc for fanotify groups.

A full scan inspects the descriptors of every process, those of privileged processes
first. A full scan that takes long is made in steps. A poll between two steps inspects
only the known groups and the processes that called fanotify_init(2) lately, so that
new groups, new marks and closed groups show within seconds.

Processes without CAP_SYS_ADMIN are not trusted: the number of their descriptors that
are known is bounded, and so is the CPU time that they cause.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Final

from fanotify_exporter.fsnotify.descriptors import (
    GONE,
    GroupDescriptor,
    find_group_descriptors,
    is_privileged,
    owned_group,
)
from fanotify_exporter.fsnotify.fdinfo import parse_fdinfo
from fanotify_exporter.fsnotify.holders import Descriptors, Holders
from fanotify_exporter.fsnotify.model import (
    DescriptorKey,
    Group,
    GroupScan,
    OwnedGroup,
)
from fanotify_exporter.fsnotify.open_files import (
    group_by_open_file,
    open_file_comparison,
)
from fanotify_exporter.fsnotify.throttle import (
    READS,
    ScanBudget,
    UserBudget,
    yielding_gil,
)
from fanotify_exporter.procfs import PROC
from fanotify_exporter.procfs.process import opened_process, read_fdinfo, read_pids
from fanotify_exporter.system.cpu_budget import CpuBudget


# Full scans take at most 5 % of a CPU.
FULL_SCANS: Final = CpuBudget(share=0.05)

# CPU time for unprivileged processes in one step of a full scan. The next step comes 20
# times as long after.
STEP_SECONDS: Final = 1.0

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
        self._user_inspections = UserBudget(now)
        self._user_reads = UserBudget(now)
        self._holders = Holders()
        self._groups: dict[DescriptorKey, tuple[float, Group]] = {}
        self._recent: frozenset[int] = frozenset()
        self._refused: set[int] = set()
        self._scanned = 0.0
        self._last_pid = 0
        self._next_scan = self._earliest_scan = now()
        self._poll_seconds = self._other_seconds = 0.0

    def poll(self) -> GroupScan:
        """
        Inspect known groups and recent pids, or make a step of a full scan if due.

        The first poll has the groups of all privileged processes.
        """
        self._other_seconds = 0.0
        started = self._cpu()
        try:
            if self._now() < self._next_scan:
                self._inspect_known()
            if self._now() >= self._next_scan:
                self._scan_on()
            groups = tuple(self._read_groups())
            self._budget.retain(self._recent | self._groups.keys())
        finally:
            self._poll_seconds = self._cpu() - started - self._other_seconds
        left_out = sum(self._holders.left_out.values())
        return GroupScan(groups, len(self._refused), self._scanned, left_out)

    def delay(self) -> float:
        """Return the seconds to wait until the next poll."""
        return READS.delay(self._poll_seconds)

    def _scan_on(self) -> None:
        """Make a step of a full scan: all privileged processes, and some others."""
        started = self._cpu()
        pids = read_pids(self._proc)
        self._refused.intersection_update(pids)
        for pid in self._holders.pids().difference(pids):
            self._inspect(pid)
        is_complete = self._inspect_users(self._inspect_privileged(pids))
        seconds = self._cpu() - started
        self._other_seconds += seconds
        self._next_scan = self._earliest_scan = self._now() + FULL_SCANS.delay(seconds)
        if is_complete:
            self._scanned = time.time()
            self._next_scan = max(self._earliest_scan, self._now() + self._interval)

    def _inspect_privileged(self, pids: Iterable[int]) -> list[int]:
        """Inspect the privileged processes among *pids*, and return the others."""
        others = []
        for pid in yielding_gil(pids, PROCESSES_AT_ONCE):
            if is_privileged(pid, self._proc):
                self._inspect(pid)
            else:
                others.append(pid)
        return others

    def _inspect_users(self, pids: Iterable[int]) -> bool:
        """Go on with *pids* for STEP_SECONDS; return whether all were inspected."""
        started = self._cpu()
        left = sorted(pid for pid in pids if pid > self._last_pid)
        for pid in yielding_gil(left, PROCESSES_AT_ONCE):
            self._inspect(pid)
            self._last_pid = pid
            if self._cpu() - started >= STEP_SECONDS and pid != left[-1]:
                return False
        self._last_pid = 0
        return True

    def _inspect_known(self) -> None:
        recent, is_complete = self._recent_pids()
        if not is_complete:
            self._request_full_scan()
        for pid in recent:
            self._inspect_if_due(pid, privileged=is_privileged(pid, self._proc))
        for descriptors in self._holders:
            first = descriptors[0]
            fds = [descriptor.fd for descriptor in descriptors]
            if first.privileged:
                self._inspect(first.pid, fds)
            else:
                self._inspect_if_due(first.pid, fds, privileged=False)
        if any(pid not in self._holders for pid in recent - self._recent):
            # A process made a group and has none: a child may have inherited it.
            self._request_full_scan()
        self._recent = recent

    def _inspect_if_due(
        self, pid: int, fds: Iterable[int] | None = None, *, privileged: bool
    ) -> None:
        budget = self._budget if privileged else self._user_inspections
        if budget.is_due(pid):
            with self._timed(pid, budget):
                self._inspect(pid, fds)

    def _inspect(self, pid: int, fds: Iterable[int] | None = None) -> None:
        """Update the group descriptors of a process; inspect *fds*, or all."""
        found: Descriptors = ()
        left_out = 0
        self._refused.discard(pid)
        try:
            found, left_out = find_group_descriptors(pid, self._proc, fds)
        except PermissionError:
            self._refused.add(pid)
        if self._holders.replace(pid, found, left_out if fds is None else None):
            # Another process may have the same group open.
            self._request_full_scan()

    def _request_full_scan(self) -> None:
        """Make a full scan due as soon as FULL_SCANS allows."""
        self._next_scan = self._earliest_scan

    def _read_groups(self) -> Iterator[OwnedGroup]:
        """Read the known groups as far as due, those not read for longest first."""
        known, self._groups = self._groups, {}
        never = -math.inf, None
        files = group_by_open_file(chain.from_iterable(self._holders), self._compare)
        files.sort(key=lambda descriptors: known.get(descriptors[0].key, never)[0])
        for descriptors in files:
            for place, descriptor in enumerate(descriptors):
                group = self._read(descriptor, known.get(descriptor.key))
                if group:
                    self._groups[descriptor.key] = group
                    yield owned_group(descriptors[place:], group[1])
                    break

    def _read(
        self, descriptor: GroupDescriptor, known: tuple[float, Group] | None
    ) -> tuple[float, Group] | None:
        """Return the time now and the group, or *known* if reading is not due."""
        budget = self._budget if descriptor.privileged else self._user_reads
        if not budget.is_due(descriptor.key):
            return known
        with self._timed(descriptor.key, budget), suppress(*GONE):
            try:
                with opened_process(descriptor.pid, self._proc) as process:
                    chunks = read_fdinfo(process, descriptor.fd)
                    group = parse_fdinfo(
                        yielding_gil(chunks, every=1),
                        is_privileged=descriptor.privileged,
                    )
                    return (self._now(), group) if group else None
            except PermissionError:
                self._refused.add(descriptor.pid)
        return None

    @contextmanager
    def _timed(self, key: Hashable, budget: ScanBudget | UserBudget) -> Iterator[None]:
        """Record the CPU time of the with block as the cost of *key*."""
        started = self._cpu()
        yield
        seconds = self._cpu() - started
        if budget.record(key, seconds):
            self._other_seconds += seconds
