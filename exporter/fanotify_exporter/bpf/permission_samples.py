"""Values read from the maps of the permission programs: ended waits and answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fanotify_exporter.bpf.samples import Lost, Usage


# Upper bounds of the histogram's buckets, in seconds; the last bucket has none. The
# same bounds, in nanoseconds, are in bpf/permission/permission.h.
WAIT_BUCKETS: Final = (0.0001, 0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0)

# How a wait ended, by enum end of bpf/permission/permission.h. "unanswered": the waiter
# and the listener lived on; the kernel refused the access because it could make no
# descriptor for the listener, or let the access pass because the queue was full.
ENDS: Final = ("answered", "killed", "listener_closed", "unanswered")

# The listener of waits whose group did not fit into the map, and of waits that ended
# before a program saw the group's listener. A comm has at most 15 bytes, so no process
# can have these names.
GROUPS_FULL_COMM: Final = "[other: map full]"
UNKNOWN_COMM: Final = "[other: not known]"


@dataclass(frozen=True, slots=True)
class ListenerTotals:
    """
    What the programs counted for one listener name and class since they count.

    Attributes:
        comm: printable name of the listener's first thread, GROUPS_FULL_COMM or
            UNKNOWN_COMM.
        group_class: "content" or "pre_content".
        ends: number of ended waits by element of ENDS; each element has an entry.
        buckets: number of waits in each bucket of WAIT_BUCKETS, not cumulative; one
            more than WAIT_BUCKETS has. Waits whose begin was not seen are left out.
        seconds: sum of the lengths of the waits in *buckets*.
        responses: accepted answers, without zeros, by response ("allow" or "deny") and
            errno, which is "" for "allow", a name such as "EPERM", or "other".
        cgroup: id of the listener's cgroup in the v2 hierarchy; 0 if not counted by
            cgroup.
    """

    comm: str
    group_class: str
    ends: Mapping[str, int]
    buckets: tuple[int, ...]
    seconds: float
    responses: Mapping[tuple[str, str], int]
    cgroup: int = 0

    @property
    def unchecked(self) -> int:
        """Return how many accesses went ahead because the listener was closed."""
        return self.ends["listener_closed"]


@dataclass(frozen=True, slots=True)
class PermissionSnapshot:
    """
    Content of the maps of the permission programs at one time.

    Attributes:
        counting_since: Unix time when the programs began to count, seconds.
        totals: one entry for each comm, class and cgroup.
        usage: use of the maps "permission_groups" and "permission_waits".
        lost: by probe ("permission_wait", "permission_response", "permission_group")
            and reason. The reason "no_begin" counts waits whose end was seen and whose
            begin was not: the waits are in *ends* and not in *buckets*.
    """

    counting_since: float
    totals: tuple[ListenerTotals, ...]
    usage: tuple[Usage, ...]
    lost: tuple[Lost, ...]
