"""The programs that count events, loaded for a test, and what they counted."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fanotify_exporter.bpf.event_maps import EventMaps
from fanotify_exporter.bpf.event_samples import EventSnapshot
from fanotify_exporter.bpf.loaded import LoadedEvents
from fanotify_exporter.bpf.missed_runs import preempts_programs
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader.run import load_events
from tools.harness.kernel_calls import LOAD_SECONDS, REFUSED, exercised


# What the counts by outcome have besides the outcomes.
UNCHECKED = "unchecked"


class CountedEvents:
    """Loaded programs, and what they counted since this object was made."""

    def __init__(self, loaded: LoadedEvents) -> None:
        self._maps = EventMaps(loaded)
        self._before = self._maps.read()

    def read(self) -> EventSnapshot:
        """Return the content of the maps."""
        return self._maps.read()

    def of(self, comm: str) -> Counter[str]:
        """Return the new events of *comm* by outcome and UNCHECKED."""
        return _sum(self.read(), comm) - _sum(self._before, comm)

    def total(self) -> Counter[str]:
        """Return the new events of all listeners."""
        return _sum(self.read()) - _sum(self._before)

    def skipped(self) -> int:
        """Return how many events no program counted."""
        return _lost(self.read()) - _lost(self._before)

    def agree(self, comm: str, **expected: int) -> None:
        """
        Assert that the events of *comm* are as *expected*, by outcome and "unchecked".

        Without skipped runs each number is exact. A kernel that preempts programs skips
        runs, and counts each skipped run.
        """
        found, skipped = self.of(comm), self.skipped()
        assert preempts_programs() or 0 == skipped
        missing = Counter(expected) - found
        assert missing.total() <= skipped * 2, f"{found}, skipped {skipped}"
        assert not found - Counter(expected), f"{found}"


@contextmanager
def attached_events(method: str, *, container: bool = False) -> Iterator[LoadedEvents]:
    """Load by *method*, or skip with the kernel's reason; detach at the end."""
    try:
        loaded = load_events(method, container=container, timeout=LOAD_SECONDS)
    except LoadError as error:
        if not error.why.startswith(REFUSED):
            raise
        pytest.skip(error.why)
    exercised[f"events by {method}"] += 1
    yield loaded
    for fd in loaded.fds.values():
        os.close(fd)


def _sum(snapshot: EventSnapshot, comm: str | None = None) -> Counter[str]:
    """Return the sum over the cgroups of a listener, or over all listeners."""
    found = Counter[str]()
    for each in snapshot.listeners:
        if comm in (None, each.comm):
            found.update(each.outcomes)
            found[UNCHECKED] += each.unchecked
    return found


def _lost(snapshot: EventSnapshot) -> int:
    return sum(lost.count for lost in snapshot.lost)
