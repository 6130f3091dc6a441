"""Read the maps of the programs that count events into samples."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from operator import itemgetter
from typing import Final

from fanotify_exporter.bpf.arrays import SharedArray
from fanotify_exporter.bpf.event_samples import (
    FIXED_COMMS,
    OUTCOMES,
    EventSnapshot,
    ListenerEvents,
)
from fanotify_exporter.bpf.loaded import LoadedEvents
from fanotify_exporter.bpf.missed_runs import MissedRuns
from fanotify_exporter.bpf.samples import Lost, Usage
from fanotify_exporter.uapi.comm import comm_text


# LISTENERS: the totals before the fixed ones.
LISTENERS: Final = 256

# GROUPS: the size of the map of groups.
GROUPS: Final = 256

_MEMBERS: Final = ("claimed", "outcomes", "unchecked", "comm")


class EventMaps:
    """The maps of loaded programs that count events."""

    def __init__(self, loaded: LoadedEvents) -> None:
        """Map the arrays whose descriptors *loaded* holds."""
        self._loaded = loaded
        self._totals, self._usage, self._lost = (
            SharedArray(loaded.fds[name], loaded.layouts[name])
            for name in ("totals", "usage", "lost")
        )
        names = loaded.layouts["totals"].names
        self._pick = itemgetter(
            *map(names.index, (*_MEMBERS, *({"cgroup"} & set(names))))
        )
        self._missed_runs = MissedRuns(loaded)

    def read(self) -> EventSnapshot:
        """Read each map once."""
        ((groups,),) = self._usage
        return EventSnapshot(
            counting_since=self._loaded.counting_since,
            listeners=tuple(self._read_listeners()),
            usage=(Usage("event_groups", groups if groups < 1 << 63 else 0, GROUPS),),
            lost=tuple(self._read_lost()),
        )

    def _read_listeners(self) -> Iterator[ListenerEvents]:
        """Yield the listeners with a name, then the fixed ones with events."""
        for index, total in enumerate(self._totals):
            claimed, outcomes, unchecked, comm, cgroup = (*self._pick(total), 0)[:5]
            counts = dict(
                zip(OUTCOMES, struct.unpack("=3Q", outcomes), strict=True),
            )
            if index >= LISTENERS:
                name, cgroup = FIXED_COMMS[index - LISTENERS], 0
                claimed = any(counts.values())
            else:
                name = comm_text(comm)
            if claimed:
                yield ListenerEvents(name, counts, unchecked, cgroup)

    def _read_lost(self) -> Iterator[Lost]:
        """Yield what the programs could not count, then the missed runs."""
        for names, (count,) in zip(self._loaded.lost_reasons, self._lost, strict=True):
            probe, _, reason = names.partition(":")
            yield Lost(probe, reason, count)
        yield from self._missed_runs.read("event")
