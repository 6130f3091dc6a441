"""
Read the BPF maps: memory that the kernel shares, in; counted calls, out.

The maps are arrays that the programs write and this process maps read-only, so
a read is no system call, needs no capability and disturbs no probe.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import product
from operator import itemgetter

from fanotify_exporter.bpf.arrays import SharedArray
from fanotify_exporter.bpf.loaded import LoadedPrograms
from fanotify_exporter.bpf.missed_runs import read_missed
from fanotify_exporter.bpf.samples import (
    OTHER_COMM,
    SYSCALLS,
    Call,
    Lost,
    Snapshot,
    Usage,
)
from fanotify_exporter.procfs.fdinfo import read_program_misses
from fanotify_exporter.uapi.comm import comm_text


CALL_MEMBERS = (
    "syscall",
    "comm",
    "flags",
    "mask",
    "error",
    "created_ns",
    "count",
)
OTHERS = 2
"""The part of the slots behind root's and the other users' halves."""


class CallMaps:
    """The maps of loaded programs, read into samples."""

    def __init__(self, loaded: LoadedPrograms) -> None:
        """Map the arrays whose descriptors *loaded* holds."""
        self._loaded = loaded
        self._slots = SharedArray(loaded.fds["slots"], loaded.layouts["slots"])
        self._lost = SharedArray(loaded.fds["lost"], loaded.layouts["lost"])
        names = loaded.layouts["slots"].names
        members = [*CALL_MEMBERS, *({"cgroup"} & set(names))]
        self._pick = itemgetter(*map(names.index, members))
        # The raw tracepoint's program runs, or is skipped, on every system call.
        any_syscall = loaded.hook == "raw_tracepoint"
        self._missed = "recursion_any_syscall" if any_syscall else "recursion"
        self._creators = SharedArray(loaded.fds["creators"], loaded.layouts["creators"])
        self._booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        self._counting_since = self._booted + loaded.counting_since

    def read(self) -> Snapshot:
        """Read each map once."""
        half = self._loaded.max_entries
        calls: dict[str, list[Call]] = {probe: [] for probe in SYSCALLS}
        used = [0, 0, 0]
        unfit = dict.fromkeys(SYSCALLS, 0)
        for index, entry in enumerate(map(self._pick, self._slots)):
            syscall, comm, flags, mask, error, created_ns, count, *cgroup = entry
            if not count:
                continue
            part = min(index // half, OTHERS)
            used[part] += 1
            probe = SYSCALLS[syscall]
            if part == OTHERS:
                name = OTHER_COMM
                unfit[probe] += count
            else:
                name = comm_text(comm)
            created = self._booted + created_ns / 1e9
            call = Call(name, flags, mask, error, count, created, *cgroup)
            calls[probe].append(call)
        return Snapshot(
            counting_since=self._counting_since,
            calls=calls,
            usage=(
                Usage("calls_root", used[0], half),
                Usage("calls_user", used[1], half),
            ),
            lost=(
                *(Lost(probe, "map_full", count) for probe, count in unfit.items()),
                *self._read_lost(),
            ),
        )

    def _read_lost(self) -> Iterator[Lost]:
        kinds = product(SYSCALLS, self._loaded.lost_reasons)
        for (probe, reason), (count,) in zip(kinds, self._lost, strict=True):
            yield Lost(probe, reason, count)
        for probe in SYSCALLS:
            yield from self._read_missed(probe)

    def _read_missed(self, name: str) -> Iterator[Lost]:
        """Yield the calls that the kernel hid from the programs of probe *name*."""
        fds = self._loaded.fds
        own = [probe for probe in self._loaded.probes if probe.name == name]
        programs = [fds[each] for probe in own for each in probe.programs]
        links = [fds[each] for probe in own for each in probe.links]
        yield Lost(name, self._missed, sum(map(read_program_misses, programs)))
        if links:
            yield Lost(name, "nmissed", sum(map(read_missed, links)))

    def group_creators(self, seconds: float) -> tuple[frozenset[int], bool]:
        """
        Return who made a fanotify group in the last *seconds*.

        Their pids, and whether those are all: one may have taken another's place.
        """
        since_ns = (time.clock_gettime(time.CLOCK_BOOTTIME) - seconds) * 1e9
        creators = list(self._creators)
        pids = frozenset(pid for when, pid, _ in creators if when >= since_ns)
        return pids, all(evicted < since_ns for _, _, evicted in creators)
