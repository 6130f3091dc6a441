"""
Source of fanotify groups and inotify instances: a scan of all descriptors in /proc.

Each scan inspects the privileged processes in full, and goes on with the others where
the last scan stopped, for a bounded CPU time. Processes without CAP_SYS_ADMIN are not
trusted: the number of their descriptors that are known is bounded too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from fanotify_exporter.fsnotify.descriptors import (
    Descriptors,
    find_descriptors,
    is_privileged,
)
from fanotify_exporter.fsnotify.holders import Holders
from fanotify_exporter.fsnotify.inventory import Inventory, Kind, OpenFile
from fanotify_exporter.fsnotify.model import DescriptorKey
from fanotify_exporter.fsnotify.open_files import (
    group_by_open_file,
    open_file_comparison,
    places_of,
)
from fanotify_exporter.fsnotify.throttle import yielding_gil
from fanotify_exporter.procfs import PROC
from fanotify_exporter.procfs.process import read_pids
from fanotify_exporter.system.cpu_budget import CpuBudget


INTERVAL_SECONDS: Final = 10.0

# Scans take at most 5 % of a CPU.
SCANS: Final = CpuBudget(share=0.05)

# CPU time of a scan: the unprivileged processes get what the privileged ones and the
# comparison of descriptors leave, and at least USER_SECONDS.
STEP_SECONDS: Final = SCANS.share * INTERVAL_SECONDS
USER_SECONDS: Final = 0.1

# A scan yields the GIL after five processes, about 1 ms of CPU time.
PROCESSES_AT_ONCE: Final = 5


class ProcScan:
    """
    Scan of one procfs, with the descriptors found so far.

    Args:
        proc: where procfs is mounted.
        interval: seconds between two scans of all processes.
        cpu: the CPU time of the calling thread, in seconds.

    Attributes:
        inexact_reason: why each descriptor counts as an open file of its own; empty if
            open files can be compared.
    """

    def __init__(
        self,
        proc: Path = PROC,
        *,
        interval: float = INTERVAL_SECONDS,
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        """Check whether open files can be compared; scan no process yet."""
        self._proc = proc
        self._interval = interval
        self._cpu = cpu
        self._compare, self.inexact_reason = open_file_comparison(proc)
        self._holders = Holders()
        self._places: dict[Kind, Mapping[DescriptorKey, int]] = {}
        self._refused: set[int] = set()
        self._scanned = 0.0
        self._last_pid = 0
        self._compare_seconds = 0.0

    def list(self) -> Inventory:
        """
        Scan all privileged processes and some others; return all that is known.

        Raises:
            OSError: the procfs is gone.
        """
        started = self._cpu()
        pids = read_pids(self._proc)
        self._refused.intersection_update(pids)
        self._holders.retain(pids)
        others = self._inspect_privileged(pids)
        spent = self._cpu() - started + self._compare_seconds
        if self._inspect_users(others, max(USER_SECONDS, STEP_SECONDS - spent)):
            self._scanned = time.time()
        compared = self._cpu()
        files = tuple(self._open_files())
        self._compare_seconds = self._cpu() - compared
        return Inventory(
            files=files,
            scanned=self._scanned,
            unreadable=len(self._refused),
            left_out=self._holders.left_out,
        )

    def delay(self, cpu_seconds: float) -> float:
        """Return the seconds to wait after a scan that took *cpu_seconds*."""
        delay = SCANS.delay(cpu_seconds)
        return delay if self._last_pid else max(delay, self._interval)

    def _inspect_privileged(self, pids: Iterable[int]) -> Sequence[int]:
        """Inspect the privileged processes among *pids*, and return the others."""
        others = []
        for pid in yielding_gil(pids, PROCESSES_AT_ONCE):
            if is_privileged(pid, self._proc):
                self._inspect(pid, bounded=False)
            else:
                others.append(pid)
        return others

    def _inspect_users(self, pids: Iterable[int], seconds: float) -> bool:
        """Go on with *pids* for some CPU time; return whether all were inspected."""
        started = self._cpu()
        left = sorted(pid for pid in pids if pid > self._last_pid)
        for pid in yielding_gil(left, PROCESSES_AT_ONCE):
            self._inspect(pid, bounded=True)
            self._last_pid = pid
            if self._cpu() - started >= seconds and pid != left[-1]:
                return False
        self._last_pid = 0
        return True

    def _inspect(self, pid: int, *, bounded: bool) -> None:
        """Update the known descriptors of a process."""
        found: Descriptors = ()
        left_out = 0
        self._refused.discard(pid)
        try:
            found, left_out = find_descriptors(pid, self._proc, bounded=bounded)
        except PermissionError:
            self._refused.add(pid)
        self._holders.replace(pid, found, left_out)

    def _open_files(self) -> Iterator[OpenFile]:
        """Yield the open file of each group and instance."""
        for kind in Kind:
            known = (each for each in self._holders if each.kind is kind)
            files = group_by_open_file(known, self._compare, self._places.get(kind, {}))
            self._places[kind] = places_of(files)
            for descriptors in files:
                owner = descriptors[0]
                keys = tuple(each.key for each in descriptors)
                yield OpenFile(kind, owner.comm, owner.uid, owner.privileged, keys)
