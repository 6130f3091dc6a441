"""Attached probes for the kernel tests, and the calls that the probes counted."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Protocol

import pytest

from fanotify_exporter.bpf.call_maps import CallMaps
from fanotify_exporter.bpf.loaded import SYSCALLS, LoadedCalls
from fanotify_exporter.bpf.missed_runs import sums_are_exact
from fanotify_exporter.bpf.samples import Snapshot
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader import run
from fanotify_exporter.loader.attach_methods import ATTACH_METHODS
from fanotify_exporter.loader.methods import ProbeSpec
from fanotify_exporter.system.machine import kernel_version


# comm, flags, mask, errno
Key = tuple[str, int, int, int]

# How an error of the loader begins if the kernel refuses the programs. Other errors
# are failures of the loader.
REFUSED = "cannot attach"

# Time limit of the loader, for an emulated guest on a busy machine.
LOAD_SECONDS = 120.0

# By attach point or pair of attach points: tests that counted there.
exercised: Counter[str] = Counter()

# By probes: the first method that attached them. The loader would never use a later
# method with the same probes.
attaching: dict[tuple[ProbeSpec, ...], str] = {}


class Load(Protocol):
    """Load programs with two sections of *max_entries*; count calls of *syscall*."""

    def __call__(
        self, max_entries: int, syscall: str = ..., *, container: bool = ...
    ) -> Counts: ...


class Counts:
    """Loaded programs, and what they counted since this object was made."""

    def __init__(
        self,
        loaded: LoadedCalls,
        syscall: str = "fanotify_mark",
        before: Snapshot | None = None,
    ) -> None:
        self._syscall = syscall
        points = [p.attach_point for p in loaded.probes if p.name == syscall]
        if points:
            exercised[" + ".join(points)] += 1
        self._loaded = loaded
        self._maps = CallMaps(loaded)
        self._before = before or self.read()

    @property
    def hook(self) -> str:
        """Return the hook of the programs."""
        return self._loaded.hook

    @property
    def sees_compat(self) -> bool:
        """Return whether the programs see 32-bit compat calls."""
        return self._loaded.sees_compat

    @property
    def uid_reason(self) -> str:
        """Return why uid 0 decides which callers are privileged, empty if not."""
        return self._loaded.uid_reason

    @property
    def misses_unseen(self) -> bool:
        """Return whether the kernel does not count the calls a kretprobe missed."""
        return self._loaded.hook == "kprobe" and kernel_version() < (6, 7)

    @property
    def sees_refused(self) -> bool:
        """Return whether calls that seccomp(2) answers are seen with arguments."""
        return "tracepoint" in self._loaded.hook and not self.is_pair

    @property
    def is_pair(self) -> bool:
        """Return whether a program at the entry saves arguments for the exit."""
        own = [p for p in self._loaded.probes if p.name == self._syscall]
        return any("sys_enter" in p.attach_point for p in own)

    @property
    def counts_any_skip(self) -> bool:
        """Return whether lost() may include calls of other system calls."""
        return not sums_are_exact(self._loaded.hook)

    def read(self) -> Snapshot:
        return self._maps.read()

    def of(self, *comms: str) -> Counter[Key]:
        """Return the new calls of *comms*, in the callers' form."""
        return self._new(self.read(), comms)

    def agree(self, made: Counter[Key], *comms: str) -> None:
        """
        Assert that each call of *made* was counted by its key, or reported as lost.

        A kernel that preempts itself skips a program that is preempted on the same
        CPU, and reports each skipped run. Other kernels skip no run, so each call is
        counted by its key. If the kernel skips an exit and the next entry of a pair,
        the next exit finds the arguments of the thread's earlier call. So at most as
        many calls as were skipped have a wrong key, and these calls have the right
        thread name.
        """
        now = self.read()  # once: a read takes long in an emulated guest
        counted = self._new(now, comms)
        lost = self._lost(now) - self._lost(self._before)

        wrong_keys = (counted - made).total()
        assert wrong_keys <= (lost if self.is_pair else 0)
        assert by_comm(counted) <= by_comm(made)
        any_syscall = self.counts_any_skip
        missing_calls(made.total(), counted.total(), lost, any_syscall=any_syscall)

    def missing(self, calls: int, counted: int) -> int:
        """Return how many of *calls* were not *counted*, see missing_calls()."""
        any_syscall = self.counts_any_skip
        return missing_calls(calls, counted, self.lost(), any_syscall=any_syscall)

    def skip_if_lost(self) -> None:
        """Skip the test if a call is reported as lost, maybe the one that it needs."""
        if lost := self.lost():
            pytest.skip(f"{lost} calls are reported as lost: inconclusive")

    def lost(self) -> int:
        """Return how many calls are reported as lost."""
        return self._lost(self.read()) - self._lost(self._before)

    def found_no_room(self) -> int:
        """Return how many calls were counted without their key."""
        return sum(
            lost.count
            for lost in self.read().lost
            if (lost.probe, lost.reason) == (self._syscall, "map_full")
        )

    def _new(self, now: Snapshot, comms: Collection[str]) -> Counter[Key]:
        return self._by_key(now, comms) - self._by_key(self._before, comms)

    def _by_key(self, snapshot: Snapshot, comms: Collection[str]) -> Counter[Key]:
        counted: Counter[Key] = Counter()
        for call in snapshot.calls[self._syscall]:
            if call.comm in comms:
                key = call.comm, call.flags, call.mask, call.errno
                counted[key] += call.count
        return counted

    def _lost(self, snapshot: Snapshot) -> int:
        return sum(
            lost.count
            for lost in snapshot.lost
            if lost.probe == self._syscall and lost.reason != "map_full"
        )


def missing_calls(calls: int, counted: int, lost: int, *, any_syscall: bool) -> int:
    """
    Return how many of *calls* were not *counted*. Assert that these are *lost* calls.

    The figure of the raw tracepoint includes the skipped runs of every other system
    call of the host (*any_syscall*). Then *lost* may be more than the missing calls. A
    figure of at least *calls* proves nothing about the missing calls, and the test is
    skipped.
    """
    missing = calls - counted
    if not any_syscall:
        assert missing == lost
        return missing
    assert 0 <= missing <= lost
    if missing and lost >= calls:
        pytest.skip(
            f"the kernel skipped {lost} runs on any system call during {calls} calls, "
            f"{missing} of which are missing: inconclusive"
        )
    return missing


def by_comm(calls: Counter[Key]) -> Counter[str]:
    """Return how many of *calls* each thread name made."""
    sums: Counter[str] = Counter()
    for (comm, *_), count in calls.items():
        sums[comm] += count
    return sums


@contextmanager
def attached(
    method: str,
    max_entries: int,
    *,
    container: bool = False,
    syscalls: tuple[str, ...] = SYSCALLS,
) -> Iterator[LoadedCalls]:
    """Load by *method*, or skip with the kernel's reason; detach at the end."""
    probes = next((each.probes for each in ATTACH_METHODS if each.name == method), ())
    better = attaching.get(probes, method)
    if better != method:
        pytest.skip(f"{method} is for kernels that refuse {better}, which works here")
    try:
        loaded = run.load(
            method,
            *(max_entries, max_entries),
            container=container,
            syscalls=syscalls,
            timeout=LOAD_SECONDS,
        )
    except LoadError as error:
        if not error.why.startswith(REFUSED):
            raise
        pytest.skip(error.why)
    attaching[probes] = method
    yield loaded
    for fd in loaded.fds.values():
        os.close(fd)
