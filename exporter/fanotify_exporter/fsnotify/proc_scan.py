"""
Watch a /proc for fanotify groups, in a thread of its own; the latest result, out.

A full scan looks at every descriptor of every process. Between two of them, each
second, only the groups found and the processes that may have made one are looked
at, so that new groups, new marks and what ended show soon.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path

from fanotify_exporter.fsnotify.descriptors import (
    GONE,
    DescriptorKey,
    GroupDescriptor,
    find_group_descriptors,
    group_by_open_file,
    open_file_comparison,
)
from fanotify_exporter.fsnotify.fdinfo import parse_fdinfo
from fanotify_exporter.fsnotify.model import Group, GroupScan, HeldGroup
from fanotify_exporter.fsnotify.throttle import ScanBudget, yielding_gil
from fanotify_exporter.procfs import PROC
from fanotify_exporter.procfs.process import opened_process, read_fdinfo, read_pids


SCAN_REST = 20
"""Times its own cost that a full scan rests: 5 % of a CPU."""

PROCESSES_AT_ONCE = 5

RecentPids = Callable[[], tuple[frozenset[int], bool]]


class GroupScanner:
    """
    One /proc, looked at again and again.

    Args:
        proc: where procfs is mounted.
        interval: seconds between two full scans.
        recent_pids: pids, as *proc* has them, that called fanotify_init(2) lately,
            and whether those are all.
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
        """Look at nothing yet."""
        self._proc = proc
        self._interval = interval
        self._recent_pids = recent_pids
        self._now = now
        self._cpu = cpu
        self._compare, self.inexact_reason = open_file_comparison(proc)
        self._pace = ScanBudget(now)
        self._holders: dict[int, tuple[GroupDescriptor, ...]] = {}
        self._groups: dict[DescriptorKey, Group] = {}
        self._recent: frozenset[int] = frozenset()
        self._refused: set[int] = set()
        self._scanned = 0.0
        self._next_scan = self._earliest_scan = now()

    def step(self) -> GroupScan:
        """Do what is due, a look between two full scans or one of them, and tell."""
        if self._now() < self._next_scan:
            self._look()
        if self._now() >= self._next_scan:
            self._scan()
        groups = tuple(self._read_groups())
        self._pace.keep(self._recent | self._groups.keys())
        return GroupScan(groups, len(self._refused), self._scanned)

    def pause(self) -> float:
        """Return the seconds to wait after a step."""
        return self._pace.pause()

    def _scan(self) -> None:
        started = self._cpu()
        pids = read_pids(self._proc)
        ended = self._holders.keys() - set(pids)
        self._refused.clear()
        for pid in yielding_gil([*ended, *pids], PROCESSES_AT_ONCE):
            self._look_at(pid)
        self._scanned = time.time()
        self._earliest_scan = self._now() + SCAN_REST * (self._cpu() - started)
        self._next_scan = max(self._earliest_scan, self._now() + self._interval)

    def _look(self) -> None:
        recent, are_all = self._recent_pids()
        if not are_all:
            self._scan_soon()
        for pid in recent:
            if self._pace.due(pid):
                with self._timed(pid):
                    self._look_at(pid)
        with self._timed(None):
            for pid, holders in list(self._holders.items()):
                self._look_at(pid, [holder.fd for holder in holders])
        if recent - self._recent - self._holders.keys():
            # It made a group, and may have left it to a child.
            self._scan_soon()
        self._recent = recent

    def _look_at(self, pid: int, fds: Iterable[int] | None = None) -> None:
        """Look at *fds* of a process, or at all."""
        found: tuple[GroupDescriptor, ...] = ()
        try:
            found = find_group_descriptors(pid, self._proc, fds)
        except PermissionError:
            self._refused.add(pid)
        before = self._holders.pop(pid, ())
        if found:
            self._holders[pid] = found
        if {holder.file for holder in before} - {holder.file for holder in found}:
            # Another process may have it still.
            self._scan_soon()

    def _scan_soon(self) -> None:
        self._next_scan = self._earliest_scan

    def _read_groups(self) -> Iterator[HeldGroup]:
        known, self._groups = self._groups, {}
        everyone = chain.from_iterable(self._holders.values())
        for holders in group_by_open_file(everyone, self._compare):
            for holder in holders:
                group = self._read(holder, known.get(holder.key))
                if group:
                    self._groups[holder.key] = group
                    yield HeldGroup(holder.comm, holder.uid, group)
                    break

    def _read(self, holder: GroupDescriptor, known: Group | None) -> Group | None:
        """Return the group as it is, or as it is *known* if reading it is dear."""
        if not self._pace.due(holder.key):
            return known
        with self._timed(holder.key), suppress(*GONE):
            try:
                with opened_process(holder.pid, self._proc) as process:
                    chunks = read_fdinfo(process, holder.fd)
                    return parse_fdinfo(yielding_gil(chunks, every=1))
            except PermissionError:
                self._refused.add(holder.pid)
        return None

    @contextmanager
    def _timed(self, key: Hashable) -> Iterator[None]:
        started = self._cpu()
        yield
        self._pace.took(key, self._cpu() - started)
