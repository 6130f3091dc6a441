"""
Scanner of /proc for threads inside fanotify_mark(2).

/proc/PID/syscall has the number and the arguments of the call that a thread is in. A
scan reads the file of threads in state D only: reading it takes a lock of the scheduler
and the right to trace the thread.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from fanotify_exporter.fsnotify.calls_in_progress import (
    MAX_USER_THREADS,
    PASSES,
    CallTracker,
    OngoingCall,
)
from fanotify_exporter.fsnotify.descriptors import GONE
from fanotify_exporter.fsnotify.throttle import yielding_gil
from fanotify_exporter.procfs import PROC
from fanotify_exporter.procfs.cgroup import read_cgroup_id
from fanotify_exporter.procfs.process import (
    opened_process,
    parse_start_time,
    read_credentials,
    read_process_comm,
)
from fanotify_exporter.procfs.task import (
    DISK_SLEEP,
    is_in_syscall,
    parse_task_state,
    read_syscall,
    read_task_stat,
    read_tasks,
    read_voluntary_switches,
)
from fanotify_exporter.uapi.comm import comm_text
from fanotify_exporter.uapi.fanotify import MARK_NUMBERS


# CPU time of the pass in one poll, enough for 300 threads.
STEP_SECONDS: Final = PASSES.share * PASSES.min_delay

# A poll yields the GIL after so many threads, about 1 ms of CPU time.
TASKS_AT_ONCE: Final = 64

# Raised by reading the files of a thread that has ended or that is hidden (hidepid), or
# that this process may not trace.
SKIPPED: Final = (*GONE, PermissionError)


class CallScanner:
    """
    Scanner of one procfs.

    Args:
        proc: where procfs is mounted.
        cgroup_root: where cgroup v2 is mounted; None if cgroup ids are not wanted.
        tracker: tells which calls are long; None for a new one.
        machine: the machine, as uname(1) names it.
        cpu: the CPU time of the calling thread, in seconds.
    """

    def __init__(
        self,
        proc: Path = PROC,
        *,
        cgroup_root: Path | None = None,
        tracker: CallTracker | None = None,
        machine: str = os.uname().machine,
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        """Scan no thread yet."""
        self._proc = proc
        self._cgroup_root = cgroup_root
        self._tracker = tracker or CallTracker()
        self._numbers = MARK_NUMBERS.get(machine, (-1, -1))
        self._cpu = cpu
        self._calls: dict[tuple[int, int], OngoingCall] = {}
        self._users = 0
        self._pass = read_tasks(self._proc)
        self._poll_seconds = 0.0

    def poll(self) -> tuple[OngoingCall, ...]:
        """
        Go on with the pass over all threads, and inspect those that were inside.

        Returns:
            The calls that have been in progress for LONG_SECONDS.
        """
        started = self._cpu()
        try:
            known = list(self._calls)
            self._calls, self._users = {}, 0
            for pid, tid in yielding_gil(known, TASKS_AT_ONCE):
                self._inspect(pid, tid, read_task_stat(pid, tid, self._proc))
            self._go_on()
            return self._tracker.observe(self._calls.values())
        finally:
            self._poll_seconds = self._cpu() - started

    def delay(self) -> float:
        """Return the seconds to wait until the next poll."""
        return PASSES.delay(self._poll_seconds)

    def _go_on(self) -> None:
        """Go on with the pass, at most to its end."""
        started = self._cpu()
        for pid, tid, stat in yielding_gil(self._pass, TASKS_AT_ONCE):
            if (pid, tid) not in self._calls:
                self._inspect(pid, tid, stat)
            if self._cpu() - started >= STEP_SECONDS:
                return
        self._pass = read_tasks(self._proc)

    def _inspect(self, pid: int, tid: int, stat: bytes) -> None:
        """Add the call of a thread."""
        if not stat or parse_task_state(stat) != DISK_SLEEP:
            return
        with suppress(*SKIPPED), opened_process(pid, self._proc) as process:
            registers = read_syscall(process, tid)
            if not is_in_syscall(registers, *self._numbers):
                return
            privileged = read_credentials(process).privileged
            self._users += not privileged
            if privileged or self._users <= MAX_USER_THREADS:
                self._calls[pid, tid] = OngoingCall(
                    tid=tid,
                    started=parse_start_time(stat),
                    comm=comm_text(read_process_comm(process)),
                    privileged=privileged,
                    registers=registers,
                    sleeps=read_voluntary_switches(process, tid),
                    cgroup=read_cgroup_id(process, self._cgroup_root),
                )
