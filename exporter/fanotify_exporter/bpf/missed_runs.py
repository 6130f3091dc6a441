"""
Read how often the kernel did not run a program, from programs and from links.

A program misses a run while the same program is already running on the same CPU,
for a task that was preempted in the program (recursion_misses). A kretprobe misses a
call while all of its instances are in use by calls that have not returned
(kretprobe.nmissed).
"""

from __future__ import annotations

import ctypes
import logging
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from fanotify_exporter.bpf.loaded import LoadedPrograms
from fanotify_exporter.bpf.samples import Lost
from fanotify_exporter.bpf.syscall import bpf
from fanotify_exporter.procfs.fdinfo import read_program_misses
from fanotify_exporter.system.machine import kernel_version


# include/uapi/linux/bpf.h: the command, the size of a buffer that holds struct
# bpf_link_info, and the offset of perf_event.kprobe.missed in that struct.
BPF_OBJ_GET_INFO_BY_FD = 15
LINK_INFO_SIZE = 128
MISSED_OFFSET = 48

log = logging.getLogger(__name__)


def sums_are_exact(hook: str) -> bool:
    """
    Return whether each missed call is in the sums of the calls by *hook*.

    The raw tracepoint's program runs on every system call, so the number of missed runs
    says nothing about the counted ones.
    """
    return hook != "raw_tracepoint" or not preempts_programs()


def preempts_programs() -> bool:
    """
    Return whether the running kernel may preempt a task inside a program.

    Since Linux 7.0 (a46023d5616e) a kernel that preempts itself also preempts programs
    on tracepoints. A kernel never preempts a program on a kprobe.
    """
    return kernel_version() >= (7, 0) and "PREEMPT" in os.uname().version


class MissedRuns:
    """The kernel's numbers of missed runs of loaded programs."""

    def __init__(self, loaded: LoadedPrograms) -> None:
        """Read the numbers of the *loaded* programs and links."""
        self._loaded = loaded
        self._latest: dict[tuple[str, str], int] = {}
        self._has_warned = False

    def read(self, name: str) -> Iterator[Lost]:
        """
        Yield, by reason, how often no program of the probes called *name* ran.

        A number that cannot be read, for example because no /proc is mounted, is that
        of the last read, and is left out before the first. The log says so once.
        """
        loaded = self._loaded
        own = [probe for probe in loaded.probes if probe.name == name]
        programs = [loaded.fds[name] for probe in own for name in probe.programs]
        links = [loaded.fds[name] for probe in own for name in probe.links]
        # A run of the raw tracepoint's program is a call of any system call. The second
        # of two programs counts what the first one missed.
        any_syscall = loaded.hook == "raw_tracepoint"
        reason = "recursion_any_syscall" if any_syscall else "recursion"
        total = partial(min, default=0) if any_syscall else sum
        yield from self._read(name, reason, total, read_program_misses, programs)
        if links:
            yield from self._read(name, "nmissed", sum, read_link_misses, links)

    def _read(
        self,
        name: str,
        reason: str,
        total: Callable[[Iterable[int]], int],
        read: Callable[[int], int],
        fds: list[int],
    ) -> Iterator[Lost]:
        key = (name, reason)
        try:
            self._latest[key] = total(map(read, fds))
        except OSError as error:
            self._warn(error)
            if key in self._latest:
                yield Lost(*key, self._latest[key], is_stale=True)
        else:
            yield Lost(*key, self._latest[key])

    def _warn(self, error: OSError) -> None:
        if not self._has_warned:
            self._has_warned = True
            log.warning(
                "cannot read how many calls the kernel hid from the programs: "
                "the number of lost calls lacks them",
                extra={"reason": str(error)},
            )


def read_link_misses(link: int) -> int:
    """Return how many calls the kretprobe behind *link* missed, 0 before Linux 6.7."""
    info = ctypes.create_string_buffer(LINK_INFO_SIZE)
    attr = struct.pack("=IIQ", link, len(info), ctypes.addressof(info))
    try:
        bpf(BPF_OBJ_GET_INFO_BY_FD, attr)
    except OSError:  # before 5.15 the descriptor is a perf event and no link
        return 0
    (missed,) = struct.unpack_from("=Q", info.raw, MISSED_OFFSET)
    return int(missed)
