"""
Scanner of /proc for tasks that wait for the answer of a permission listener.

A task that waits for an answer is in state D, and its wchan is a function of fanotify:
fanotify_get_response() in fs/notify/fanotify/fanotify.c. The kernel shows neither the
group nor the begin of the wait.

A scan sees a wait for the first time up to a full pass after its begin, and takes the
begin of the poll for the begin of the wait. A task may have ended one wait and begun
another between two polls. The wait is the same if the task was not woken up in between.
Each answer wakes up all tasks that wait for the group, so a task that was woken up
counts as still waiting for the same answer if it has read and written nothing in
between. A program that opens and closes files without reading then appears to wait
once, as long as each poll finds it waiting.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Final

from fanotify_exporter.fsnotify.descriptors import GONE
from fanotify_exporter.fsnotify.model import GroupScan
from fanotify_exporter.fsnotify.throttle import yielding_gil
from fanotify_exporter.fsnotify.waited_group import attribute
from fanotify_exporter.fsnotify.waits import MAX_WAITERS, PASSES, Waiter, WaitScan
from fanotify_exporter.procfs import PROC
from fanotify_exporter.procfs.cgroup import read_cgroup_id
from fanotify_exporter.procfs.process import opened_process, parse_start_time
from fanotify_exporter.procfs.task import (
    DISK_SLEEP,
    parse_task_comm,
    parse_task_state,
    read_io_counts,
    read_task_stat,
    read_tasks,
    read_voluntary_switches,
    read_wchan,
)
from fanotify_exporter.uapi.comm import comm_text


# CPU time of the pass in one poll, enough for 600 threads. A full pass over 6,000
# threads takes ten polls, or 10 s. Where many tasks wait, the pass takes half of the
# CPU time of a poll.
STEP_SECONDS: Final = PASSES.share * PASSES.min_delay

# The same in the first poll, so that the first result has the tasks of most hosts.
FIRST_STEP_SECONDS: Final = 10 * STEP_SECONDS

# A poll yields the GIL after so many threads, about 1 ms of CPU time.
TASKS_AT_ONCE: Final = 64

# Compilers inline the second into the first, and may append a suffix after a dot.
WAITS_IN: Final = ("fanotify_handle_event", "fanotify_get_response")

# Raised by reading the files of a task that has ended or that is hidden (hidepid).
SKIPPED: Final = (*GONE, PermissionError)


@dataclass(frozen=True, slots=True)
class _Wait:
    """
    A wait that was seen.

    Attributes:
        started: when the thread started, in clock ticks after boot.
        switches: how often the thread had begun to wait, for whatever reason.
        io_counts: what the thread had read and written; empty if unknown.
    """

    waiter: Waiter
    started: int
    switches: int
    io_counts: bytes


class WaitScanner:
    """
    Scanner of one procfs, with the waits that it knows.

    Args:
        groups: returns the groups that exist, None if no scan has ended yet.
        proc: where procfs is mounted.
        cgroup_root: where cgroup v2 is mounted; None if cgroup ids are not wanted.
        now: CLOCK_BOOTTIME in seconds.
        cpu: the CPU time of the calling thread, in seconds.
    """

    def __init__(
        self,
        groups: Callable[[], GroupScan | None],
        proc: Path = PROC,
        *,
        cgroup_root: Path | None = None,
        now: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        """Scan no task yet."""
        self._groups = groups
        self._proc = proc
        self._cgroup_root = cgroup_root
        self._now = now
        self._cpu = cpu
        self._waits: dict[tuple[int, int], _Wait] = {}
        self._pass = read_tasks(self._proc)
        self._scanned = 0.0
        self._step_seconds = FIRST_STEP_SECONDS
        self._poll_seconds = 0.0

    def poll(self) -> WaitScan:
        """
        Go on with the pass over all tasks, and inspect the tasks that waited.

        Raises:
            RuntimeError: scanning for groups failed.
        """
        self._scanned = self._now()
        started = self._cpu()
        try:
            inspected = self._go_on()
            self._inspect_known(inspected)
            return self._result()
        finally:
            self._poll_seconds = self._cpu() - started

    def delay(self) -> float:
        """Return the seconds to wait until the next poll."""
        return PASSES.delay(self._poll_seconds)

    def _go_on(self) -> set[tuple[int, int]]:
        """Go on with the pass, at most to its end; return the inspected tasks."""
        started = self._cpu()
        inspected = set()
        for pid, tid, stat in yielding_gil(self._pass, TASKS_AT_ONCE):
            self._inspect(pid, tid, stat)
            inspected.add((pid, tid))
            if self._cpu() - started >= self._step_seconds:
                return inspected
        self._pass = read_tasks(self._proc)
        return inspected

    def _inspect_known(self, inspected: Container[tuple[int, int]]) -> None:
        """Inspect the tasks that waited, but not those *inspected* already."""
        started = self._cpu()
        known = [task for task in self._waits if task not in inspected]
        for pid, tid in yielding_gil(known, TASKS_AT_ONCE):
            self._inspect(pid, tid, read_task_stat(pid, tid, self._proc))
        self._step_seconds = max(STEP_SECONDS, self._cpu() - started)

    def _inspect(self, pid: int, tid: int, stat: bytes) -> None:
        """Add, keep or remove the wait of a task."""
        known = self._waits.pop((pid, tid), None)
        if not stat or parse_task_state(stat) != DISK_SLEEP:
            return
        with suppress(*SKIPPED), opened_process(pid, self._proc) as process:
            wait = self._read_wait(process, (pid, tid), stat, known)
            # One more than MAX_WAITERS shows that there are more.
            if wait and len(self._waits) <= MAX_WAITERS:
                self._waits[pid, tid] = wait

    def _read_wait(
        self, process: int, task: tuple[int, int], stat: bytes, known: _Wait | None
    ) -> _Wait | None:
        """Return the wait of a task in state D, None if it waits for something else."""
        pid, tid = task
        started = parse_start_time(stat)
        if known and known.started != started:
            known = None
        if known and known.switches == read_voluntary_switches(process, tid):
            return known
        if read_wchan(process, tid).partition(".")[0] not in WAITS_IN:
            return None
        switches = read_voluntary_switches(process, tid)
        io_counts = read_io_counts(process, tid)
        if known and io_counts and io_counts == known.io_counts:
            waiter = known.waiter
        else:
            waiter = Waiter(
                tid,
                pid,
                comm_text(parse_task_comm(stat)),
                group=0,
                since=self._scanned,
                is_since_seen=True,
                cgroup=read_cgroup_id(process, self._cgroup_root),
            )
        return _Wait(waiter, started, switches, io_counts)

    def _result(self) -> WaitScan:
        waiters = [wait.waiter for wait in self._waits.values()]
        waiters.sort(key=attrgetter("since"))
        return attribute(
            waiters, self._groups(), scanned=self._scanned, cgroup_of=self._read_cgroup
        )

    def _read_cgroup(self, pid: int) -> int:
        with suppress(*SKIPPED), opened_process(pid, self._proc) as process:
            return read_cgroup_id(process, self._cgroup_root)
        return 0
