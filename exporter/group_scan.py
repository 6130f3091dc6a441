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
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from threading import Event, Thread

from exporter.fdinfo import Group, parse_fdinfo
from exporter.holders import (
    GONE,
    Holder,
    HolderKey,
    comparison,
    distinct,
    find_holders,
)
from exporter.pace import Pace, with_breaks
from exporter.procfs import PROC, opened_process, read_fdinfo, read_pids


SCAN_REST = 20
"""Times its own cost that a full scan rests: 5 % of a CPU."""

PROCESSES_AT_ONCE = 5
STOP_SECONDS = 0.5

RecentPids = Callable[[], tuple[frozenset[int], bool]]


@dataclass(frozen=True, slots=True)
class HeldGroup:
    """A group, and of its holders the one that started first: comm, effective uid."""

    comm: str
    uid: int
    group: Group


@dataclass(frozen=True, slots=True)
class GroupScan:
    """
    What there is now.

    Attributes:
        groups: each group once, however many descriptors it has.
        unreadable: processes that refused to be looked at.
        scanned: Unix time of the end of the last full scan.
    """

    groups: tuple[HeldGroup, ...]
    unreadable: int
    scanned: float


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
        self._compare, self.why_inexact = comparison(proc)
        self._pace = Pace(now)
        self._holders: dict[int, tuple[Holder, ...]] = {}
        self._groups: dict[HolderKey, Group] = {}
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
        for pid in with_breaks([*ended, *pids], PROCESSES_AT_ONCE):
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
        found: tuple[Holder, ...] = ()
        try:
            found = find_holders(pid, self._proc, fds)
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
        for holders in distinct(everyone, self._compare):
            for holder in holders:
                group = self._read(holder, known.get(holder.key))
                if group:
                    self._groups[holder.key] = group
                    yield HeldGroup(holder.comm, holder.uid, group)
                    break

    def _read(self, holder: Holder, known: Group | None) -> Group | None:
        """Return the group as it is, or as it is *known* if reading it is dear."""
        if not self._pace.due(holder.key):
            return known
        with self._timed(holder.key), suppress(*GONE):
            try:
                with opened_process(holder.pid, self._proc) as process:
                    chunks = read_fdinfo(process, holder.fd)
                    return parse_fdinfo(with_breaks(chunks, every=1))
            except PermissionError:
                self._refused.add(holder.pid)
        return None

    @contextmanager
    def _timed(self, key: Hashable) -> Iterator[None]:
        started = self._cpu()
        yield
        self._pace.took(key, self._cpu() - started)


class BackgroundScan:
    """A scanner's steps in a thread of its own, and the result of the last one."""

    def __init__(self, scanner: GroupScanner) -> None:
        """Take the *scanner*; no other thread may use it from now on."""
        self._scanner = scanner
        self._latest: GroupScan | None = None
        self._error: Exception | None = None
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="groups", daemon=True)

    @property
    def why_inexact(self) -> str:
        """Return why one group with several descriptors counts as several, or ""."""
        return self._scanner.why_inexact

    def start(self) -> None:
        """Begin with a full scan."""
        self._thread.start()

    def stop(self) -> None:
        """Do no further step; wait a moment for the one that runs."""
        self._stopping.set()
        self._thread.join(STOP_SECONDS)

    def latest(self) -> GroupScan | None:
        """
        Return what there was in the last step, None before the first has ended.

        Raises:
            RuntimeError: the last step failed.
        """
        error = self._error
        if error:
            raise RuntimeError(f"looking for groups failed: {error}") from error
        return self._latest

    def _run(self) -> None:
        pause = 0.0
        while not self._stopping.wait(pause):
            try:
                self._latest = self._scanner.step()
                self._error = None
            except Exception as error:  # noqa: BLE001  the next step may go well
                self._error = error
            pause = self._scanner.pause()
