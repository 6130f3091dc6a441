"""Values read from the maps of the programs that count events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fanotify_exporter.bpf.permission_samples import GROUPS_FULL_COMM, UNKNOWN_COMM
from fanotify_exporter.bpf.samples import Lost, Usage


# The outcomes of an event, as enum outcome of bpf/events/events.h.
OUTCOMES: Final = ("queued", "merged", "dropped")

# The listener of all groups that a process without CAP_SYS_ADMIN in the initial user
# namespace made. A comm has at most 15 bytes, so no process can have the name.
UNPRIVILEGED_COMM: Final = "[other: unprivileged]"

# By enum fixed_total of bpf/events/events.h.
FIXED_COMMS: Final = (UNKNOWN_COMM, GROUPS_FULL_COMM, UNPRIVILEGED_COMM)


@dataclass(frozen=True, slots=True)
class ListenerEvents:
    """
    What the programs counted for one listener name since they count.

    Attributes:
        comm: printable name of the listener's first thread, or of FIXED_COMMS.
        outcomes: number of events by element of OUTCOMES; each element has an entry.
        unchecked: permission events among the dropped.
        cgroup: id of the listener's cgroup in the v2 hierarchy; 0 if not counted by
            cgroup.
    """

    comm: str
    outcomes: Mapping[str, int]
    unchecked: int
    cgroup: int = 0


@dataclass(frozen=True, slots=True)
class EventSnapshot:
    """
    Content of the maps of the programs at one time.

    Attributes:
        counting_since: Unix time when the programs began to count, seconds.
        listeners: one entry for each comm and cgroup.
        usage: use of the map "event_groups".
        lost: of the probe "event", by reason.
    """

    counting_since: float
    listeners: tuple[ListenerEvents, ...]
    usage: tuple[Usage, ...]
    lost: tuple[Lost, ...]
