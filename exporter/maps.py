"""
Read the BPF maps: memory that the kernel shares, in; counted calls, out.

The maps are arrays that the programs write and this process maps read-only, so
a read is no system call, needs no capability and disturbs no probe.
"""

from __future__ import annotations

import math
import mmap
import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from operator import itemgetter
from threading import Lock
from typing import Any

from exporter.handover import Layout, Loaded
from exporter.hooks import PROBES
from exporter.perf_links import read_missed
from exporter.procfs import read_program_misses
from exporter.uapi import comm_text


OTHER_COMM = "[other: map full]"
"""Stands for every comm whose key did not fit; too long to be one."""

MISSED_REASONS = ("no_entry", "recursion", "nmissed")
"""Of lost calls; another reason's count may hold other system calls too."""

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


@dataclass(frozen=True, slots=True)
class Call:
    """
    How often one key was counted.

    Attributes:
        comm: printable thread name, or OTHER_COMM.
        flags: the call's flags; of OTHER_COMM only the bits of a mark's action and
            type, or of a group's class.
        mask: 64 bits, of fanotify_init event_f_flags; 0 for OTHER_COMM.
        errno: 0 on success; 1 stands for any errno of OTHER_COMM.
        count: calls that returned.
        created: Unix time of the first one, seconds.
        cgroup: id in the cgroup v2 hierarchy; 0 where it is not counted by.
    """

    comm: str
    flags: int
    mask: int
    errno: int
    count: int
    created: float
    cgroup: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """How many of a map's entries are in use."""

    map: str
    entries: int
    max_entries: int


@dataclass(frozen=True, slots=True)
class Lost:
    """Calls that a probe saw or missed without counting them under their key."""

    probe: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    One pass over the maps.

    Attributes:
        since: when counting began, Unix seconds.
        calls: by probe, one of hooks.PROBES.
    """

    since: float
    calls: Mapping[str, Sequence[Call]]
    usage: tuple[Usage, ...]
    lost: tuple[Lost, ...]

    def missed(self, probe: str) -> int:
        """Return how many calls of *probe* the kernel let no program see."""
        return sum(
            lost.count
            for lost in self.lost
            if lost.probe == probe and lost.reason in MISSED_REASONS
        )


class SharedArray:
    """A BPF array map in this process's memory, read as tuples."""

    def __init__(self, fd: int, layout: Layout) -> None:
        """Map *fd*, an array made with BPF_F_MMAPABLE, read-only."""
        self._struct = struct.Struct(layout.format)
        self._size = self._struct.size * layout.entries
        pages = -(-self._size // mmap.PAGESIZE)
        self._memory = mmap.mmap(
            fd, pages * mmap.PAGESIZE, mmap.MAP_SHARED, mmap.PROT_READ
        )

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """
        Read each entry once, in order, as the layout's members.

        A native-sized member is read by one load, so a counter that a program
        is just adding to is never seen torn.
        """
        with memoryview(self._memory) as memory, memory[: self._size] as view:
            yield from self._struct.iter_unpack(view)


class Maps:
    """The maps of loaded programs, read into samples."""

    def __init__(self, loaded: Loaded) -> None:
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
        self._since = self._booted + loaded.began

    def read(self) -> Snapshot:
        """Read each map once."""
        half = self._loaded.max_entries
        calls: dict[str, list[Call]] = {probe: [] for probe in PROBES}
        used = [0, 0, 0]
        unfit = dict.fromkeys(PROBES, 0)
        for index, entry in enumerate(map(self._pick, self._slots)):
            syscall, comm, flags, mask, error, created_ns, count, *cgroup = entry
            if not count:
                continue
            part = min(index // half, OTHERS)
            used[part] += 1
            probe = PROBES[syscall]
            if part == OTHERS:
                name = OTHER_COMM
                unfit[probe] += count
            else:
                name = comm_text(comm)
            created = self._booted + created_ns / 1e9
            call = Call(name, flags, mask, error, count, created, *cgroup)
            calls[probe].append(call)
        return Snapshot(
            since=self._since,
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
        kinds = product(PROBES, self._loaded.lost_reasons)
        for (probe, reason), (count,) in zip(kinds, self._lost, strict=True):
            yield Lost(probe, reason, count)
        for probe in PROBES:
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
        return pids, all(ousted < since_ns for _, _, ousted in creators)


def shared(
    read: Callable[[], Snapshot],
    *,
    seconds: float = 1.0,
    now: Callable[[], float] = time.monotonic,
) -> Callable[[], Snapshot]:
    """Wrap *read* so that calls within *seconds* of a reading share its result."""
    lock = Lock()
    taken = -math.inf
    latest = Snapshot(0, {}, (), ())

    def read_seldom() -> Snapshot:
        nonlocal taken, latest
        with lock:
            if now() - taken >= seconds:
                latest = read()
                taken = now()
            return latest

    return read_seldom
