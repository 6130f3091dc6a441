"""Attached probes and callers of known numbers of calls, for the kernel tests."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory
from typing import Protocol

import pytest

from fanotify_exporter.bpf.call_maps import CallMaps
from fanotify_exporter.bpf.loaded import LoadedPrograms
from fanotify_exporter.bpf.samples import Snapshot
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader import run
from fanotify_exporter.loader.attach_methods import ATTACH_METHODS, ProbeSpec


Key = tuple[str, int, int, int]
"""comm, flags, mask, errno."""


REFUSED = "cannot attach"
LOAD_SECONDS = 120.0
"""An emulated guest on a busy machine is slow."""

exercised: Counter[str] = Counter()
attaching: dict[tuple[ProbeSpec, ...], str] = {}
"""The first method that attached to these hooks: a later one is never taken."""


class Load(Protocol):
    """Attach with a map of so many entries, and count one probe's calls."""

    def __call__(
        self, max_entries: int, probe: str = ..., *, container: bool = ...
    ) -> Counts: ...


class Counts:
    """Attached probes, and what they counted since this object was made."""

    def __init__(
        self,
        loaded: LoadedPrograms,
        probe: str = "fanotify_mark",
        before: Snapshot | None = None,
    ) -> None:
        self._probe = probe
        hooks = [each.hook for each in loaded.probes if each.name == probe]
        exercised[" + ".join(hooks)] += 1
        self._loaded = loaded
        self._maps = CallMaps(loaded)
        self._before = before or self.read()

    @property
    def compat(self) -> bool:
        """Whether this hook sees 32-bit compat calls."""
        return self._loaded.sees_compat

    @property
    def misses_unseen(self) -> bool:
        """Whether this kernel does not tell what a kretprobe missed."""
        release = tuple(map(int, os.uname().release.split(".")[:2]))
        return self._loaded.hook == "kprobe" and release < (6, 7)

    @property
    def sees_refused(self) -> bool:
        """Whether this hook sees calls that seccomp(2) answers, with arguments."""
        return "tracepoint" in self._loaded.hook and not self.is_pair

    @property
    def is_pair(self) -> bool:
        """Whether the entry of a call keeps its arguments for the exit."""
        return any("sys_enter" in probe.hook for probe in self._loaded.probes)

    def read(self) -> Snapshot:
        return self._maps.read()

    def creators(self, seconds: float) -> tuple[frozenset[int], bool]:
        return self._maps.group_creators(seconds)

    def of(self, *comms: str) -> Counter[Key]:
        """Return the new calls of *comms*, in the oracles' form."""
        return self._new(self.read(), comms)

    def agree(self, made: Counter[Key], *comms: str) -> None:
        """
        Assert that of *made* each call was counted, or is said to be lost.

        A kernel that preempts itself skips programs where tasks compete, and says
        how often; on any other nothing is lost, so each call is under its key. Of a
        pair it may skip an exit and the next entry: then the second exit finds what
        its thread passed before. So at most as many calls as were skipped stand
        under another key, and those under their thread's name.
        """
        now = self.read()  # once: it takes long in an emulated guest
        counted = self._new(now, comms)
        lost = self._lost(now) - self._lost(self._before)

        strays = (counted - made).total()
        assert strays <= (lost if self.is_pair else 0)
        assert by_comm(counted) <= by_comm(made)
        if self._loaded.hook == "raw_tracepoint":  # skips of any call are counted
            assert made.total() <= counted.total() + lost
        else:
            assert made.total() == counted.total() + lost

    def lost(self) -> int:
        """Return how many calls the kernel says that it let no program see."""
        return self._lost(self.read()) - self._lost(self._before)

    def _new(self, now: Snapshot, comms: Collection[str]) -> Counter[Key]:
        return self._keyed(now, comms) - self._keyed(self._before, comms)

    def _keyed(self, snapshot: Snapshot, comms: Collection[str]) -> Counter[Key]:
        counted: Counter[Key] = Counter()
        for call in snapshot.calls[self._probe]:
            if call.comm in comms:
                key = call.comm, call.flags, call.mask, call.errno
                counted[key] += call.count
        return counted

    def found_no_room(self) -> int:
        """Return how many calls are said to be counted without their key."""
        return sum(
            lost.count
            for lost in self.read().lost
            if (lost.probe, lost.reason) == (self._probe, "map_full")
        )

    def _lost(self, snapshot: Snapshot) -> int:
        return sum(
            lost.count
            for lost in snapshot.lost
            if lost.probe == self._probe and lost.reason != "map_full"
        )


def by_comm(calls: Counter[Key]) -> Counter[str]:
    """Return how many of *calls* each thread name made."""
    sums: Counter[str] = Counter()
    for (comm, *_), count in calls.items():
        sums[comm] += count
    return sums


@contextmanager
def attached(
    method: str, max_entries: int, *, container: bool = False
) -> Iterator[LoadedPrograms]:
    """Attach by *method*, or skip with the kernel's words; detach at the end."""
    hooks = next((each.hooks for each in ATTACH_METHODS if each.name == method), ())
    better = attaching.get(hooks, method)
    if better != method:
        pytest.skip(f"{method} is for kernels that refuse {better}, which works here")
    try:
        loaded = run.load(
            method, max_entries, container=container, timeout=LOAD_SECONDS
        )
    except LoadError as error:
        if not error.why.startswith(REFUSED):
            raise
        pytest.skip(error.why)
    attaching[hooks] = method
    yield loaded
    for fd in loaded.fds.values():
        os.close(fd)


@dataclass(frozen=True)
class Caller:
    """The program of caller.c, and a directory for it to mark."""

    program: Path
    folder: Path

    def command(
        self,
        comm: str,
        threads: int = 1,
        abi: str = "native",
        syscall: str = "fanotify_mark",
    ) -> list[str]:
        marked = str(self.folder)
        return [str(self.program), comm, str(threads), marked, abi, syscall]

    def run(
        self,
        plan: Iterable[tuple[int, int, int]],
        comm: str,
        *,
        threads: int = 1,
        user: int = 0,
        abi: str = "native",
        syscall: str = "fanotify_mark",
        wrap: Sequence[str] = (),
    ) -> Counter[Key]:
        """Make *plan*'s (flags, mask, count) calls; return what the program saw."""
        output = subprocess.run(
            [*wrap, *self.command(comm, threads, abi, syscall)],
            input="\n".join(f"{flags:x} {mask:x} {n}" for flags, mask, n in plan),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            user=user,
            group=user,
        ).stdout
        calls: Counter[Key] = Counter()
        for line in output.splitlines():
            name, flags, mask, errno, count = line.rsplit(maxsplit=4)
            calls[name, int(flags), int(mask), int(errno)] += int(count)
        return calls


@contextmanager
def placed(built: Path) -> Iterator[Caller]:
    """Put a program where every user may run it: pytest's folders are 0700."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        marked = Path(folder, "marked")
        marked.mkdir(mode=0o755)
        yield Caller(Path(copy(built, Path(folder, "caller"))), marked)
