"""Read the maps of the permission programs into samples."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from operator import itemgetter
from typing import Any, Final

from fanotify_exporter.bpf.arrays import SharedArray
from fanotify_exporter.bpf.loaded import LoadedPermission
from fanotify_exporter.bpf.missed_runs import MissedRuns
from fanotify_exporter.bpf.permission_samples import (
    ENDS,
    GROUPS_FULL_COMM,
    UNKNOWN_COMM,
    ListenerTotals,
    PermissionSnapshot,
)
from fanotify_exporter.bpf.samples import Lost, Usage
from fanotify_exporter.uapi.comm import comm_text


# By enum group_class of bpf/permission/permission.h. No total is of the first class.
CLASSES: Final = ("notification", "content", "pre_content")

# Names of enum response, as values of the labels "response" and "errno".
RESPONSES: Final = (
    ("allow", ""),
    ("deny", "EPERM"),
    ("deny", "EIO"),
    ("deny", "EAGAIN"),
    ("deny", "EBUSY"),
    ("deny", "ETXTBSY"),
    ("deny", "ENOSPC"),
    ("deny", "EDQUOT"),
    ("deny", "other"),
)

# Names of enum usage, and the sizes GROUPS and WAITS.
USAGE: Final = (("permission_groups", 256), ("permission_waits", 32768))

# LISTENERS: the totals before the fixed ones.
LISTENERS: Final = 256

# The listeners of the fixed totals, each with one total for each class.
_FIXED: Final = tuple(
    (comm, group_class)
    for comm in (UNKNOWN_COMM, GROUPS_FULL_COMM)
    for group_class in CLASSES
)

_MEMBERS: Final = (
    *("claimed", "ends", "buckets", "nanoseconds", "responses"),
    *("comm", "class"),
)

PROBES: Final = ("permission_wait", "permission_response", "permission_group")


class PermissionMaps:
    """The maps of loaded permission programs."""

    def __init__(self, loaded: LoadedPermission) -> None:
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

    def read(self) -> PermissionSnapshot:
        """Read each map once."""
        return PermissionSnapshot(
            counting_since=self._loaded.counting_since,
            totals=tuple(self._read_totals()),
            usage=tuple(
                Usage(name, _at_least_zero(entries), size)
                for (name, size), (entries,) in zip(USAGE, self._usage, strict=True)
            ),
            lost=tuple(self._read_lost()),
        )

    def _read_totals(self) -> Iterator[ListenerTotals]:
        for index, total in enumerate(self._totals):
            claimed, *counts, comm, number, cgroup = (*self._pick(total), 0)[:8]
            if index < LISTENERS:
                if claimed:
                    listener = comm_text(comm), CLASSES[number]
                    yield _parse(*listener, counts, cgroup)
            elif any(map(any, counts[:1])) or any(counts[3]):
                yield _parse(*_FIXED[index - LISTENERS], counts, 0)

    def _read_lost(self) -> Iterator[Lost]:
        """Yield what the programs could not count, then the missed runs."""
        for names, (count,) in zip(self._loaded.lost_reasons, self._lost, strict=True):
            probe, _, reason = names.partition(":")
            yield Lost(probe, reason, count)
        for probe in PROBES:
            yield from self._missed_runs.read(probe)


def _parse(
    comm: str, group_class: str, counts: list[Any], cgroup: int
) -> ListenerTotals:
    ends, buckets, nanoseconds, responses = counts
    return ListenerTotals(
        comm=comm,
        group_class=group_class,
        ends=dict(zip(ENDS, _unpack(ends), strict=True)),
        buckets=_unpack(buckets),
        seconds=nanoseconds / 1e9,
        responses={
            response: count
            for response, count in zip(RESPONSES, _unpack(responses), strict=True)
            if count
        },
        cgroup=cgroup,
    )


def _unpack(words: bytes) -> tuple[int, ...]:
    """Return the u64 counters of an array member."""
    return struct.unpack(f"={len(words) // 8}Q", words)


def _at_least_zero(entries: int) -> int:
    """Return a number of entries that two CPUs may have changed in any order."""
    return entries if entries < 1 << 63 else 0
