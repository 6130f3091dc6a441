"""LoadedEvents over plain memory, in the layout of the maps in bpf/events/."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence

from fanotify_exporter.bpf.event_samples import FIXED_COMMS
from fanotify_exporter.bpf.loaded import AttachedProbe, Layout, LoadedEvents
from tools.harness.loaded_programs import share_memory


TOTAL = struct.Struct("@Q24sQ16s")
WITH_CGROUP = struct.Struct("@Q24sQ16sQ")
MEMBERS = ("claimed", "outcomes", "unchecked", "comm")

# Entries of the map totals.
TOTALS = 256 + len(FIXED_COMMS)


def pack_total(
    comm: bytes = b"",
    *,
    claimed: int = 1,
    outcomes: Sequence[int] = (0, 0, 0),
    unchecked: int = 0,
    cgroup: int | None = None,
) -> bytes:
    """Return the bytes of a struct total, with a cgroup if that is not None."""
    members = claimed, struct.pack("=3Q", *outcomes), unchecked, comm
    if cgroup is None:
        return TOTAL.pack(*members)
    return WITH_CGROUP.pack(*members, cgroup)


def make_events(
    totals: Mapping[int, bytes],
    *,
    groups: int = 0,
    lost: int = 0,
    container: bool = False,
    share: Callable[[bytes], int] = share_memory,
) -> LoadedEvents:
    """Return programs whose maps hold *totals*, by index, *groups* and *lost*."""
    layout = WITH_CGROUP if container else TOTAL
    members = (*MEMBERS, "cgroup") if container else MEMBERS
    entries = (totals.get(index, bytes(layout.size)) for index in range(TOTALS))
    return LoadedEvents(
        hook="kprobe",
        probes=(AttachedProbe("event", "kprobe:fsnotify_insert_event"),),
        layouts={
            "totals": Layout(members, layout.format, TOTALS),
            "usage": Layout(("value",), "@Q", 1),
            "lost": Layout(("value",), "@Q", 1),
        },
        lost_reasons=("event:no_entry",),
        bcc="0.26.0",
        llvm="14",
        fds={
            "totals": share(b"".join(entries)),
            "usage": share(struct.pack("=Q", groups)),
            "lost": share(struct.pack("=Q", lost)),
        },
    )
