"""Attached programs that send records of calls, for the kernel tests."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fanotify_exporter.bpf.call_records import RING_BYTES, Call, Filter, parse
from fanotify_exporter.bpf.loaded import LoadedTrace
from fanotify_exporter.bpf.missed_runs import sums_are_exact
from fanotify_exporter.bpf.ring_buffer import RingBuffer
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader import run
from fanotify_exporter.loader.attach_methods import TRACE_METHODS
from fanotify_exporter.loader.methods import ProbeSpec
from fanotify_exporter.trace.losses import Losses
from tools.harness.kernel_calls import (
    LOAD_SECONDS,
    REFUSED,
    Key,
    exercised,
    missing_calls,
)


# By probes: the first method that attached them, as in kernel_calls.py.
_attaching: dict[tuple[ProbeSpec, ...], str] = {}


class Traced:
    """Loaded programs, and the records that they sent since this object was made."""

    def __init__(self, loaded: LoadedTrace) -> None:
        """Read from the beginning."""
        self.loaded = loaded
        self._records = RingBuffer(loaded.fds["records"], RING_BYTES)
        self._losses = Losses(loaded)
        self._forgotten = 0

    @property
    def lost(self) -> int:
        """Return how many calls are told as lost, for any reason."""
        return sum(self._losses.read().values()) - self._forgotten

    def forget_losses(self) -> None:
        """Tell only later losses from now on."""
        self._forgotten += self.lost

    def calls(self, *comms: str) -> list[Call]:
        """Return the calls of *comms* that were not read before, oldest first."""
        names = {comm.encode() for comm in comms}
        calls = map(parse, self._records.read())
        return [call for call in calls if not names or call.comm in names]

    def agree(self, made: int, received: int) -> None:
        """Assert that each of the calls *made* was *received*, or is told as lost."""
        any_syscall = not sums_are_exact(self.loaded.hook)
        missing_calls(made, received, self.lost, any_syscall=any_syscall)


def by_key(calls: list[Call]) -> Counter[Key]:
    """Return the number of *calls* in the callers' form."""
    return Counter(
        (call.comm.decode(), call.flags, call.mask, -min(call.result, 0))
        for call in calls
    )


@contextmanager
def tracing(method: str, wanted: Filter | None = None) -> Iterator[Traced]:
    """Load by *method*, or skip with the kernel's reason; detach at the end."""
    probes = next((each.probes for each in TRACE_METHODS if each.name == method), ())
    better = _attaching.get(probes, method)
    if better != method:
        pytest.skip(f"{method} is for kernels that refuse {better}, which works here")
    try:
        loaded = run.load_trace(
            method, wanted or Filter(), RING_BYTES, timeout=LOAD_SECONDS
        )
    except LoadError as error:
        if not error.why.startswith(REFUSED):
            raise
        pytest.skip(error.why)
    _attaching[probes] = method
    points = [probe.attach_point for probe in loaded.probes]
    exercised[f"trace: {points[0]} ..."] += 1
    yield Traced(loaded)
    for fd in loaded.fds.values():
        os.close(fd)
