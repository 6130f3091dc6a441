"""LoadedPermission over plain memory, in the layout of the maps in bpf/permission/."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence

from fanotify_exporter.bpf.loaded import AttachedProbe, Layout, LoadedPermission
from tools.harness.loaded_programs import share_memory


TOTAL = struct.Struct("@Q32s80sQ72s16sQ")
TOTAL_MEMBERS = (
    *("claimed", "ends", "buckets", "nanoseconds", "responses"),
    *("comm", "class"),
)
WITH_CGROUP = struct.Struct("@Q32s80sQ72s16sQQ")

# Entries of the map totals: those of listeners, and three for each fixed listener.
TOTALS = 256 + 2 * 3

PROBES = (
    AttachedProbe("permission_wait", "kprobe:fsnotify_prepare_user_wait"),
    AttachedProbe("permission_wait", "kprobe:fsnotify_finish_user_wait"),
    AttachedProbe("permission_response", "kprobe:fanotify_write"),
)


def pack_total(
    comm: bytes = b"",
    *,
    group_class: int = 1,
    claimed: int = 1,
    ends: Sequence[int] = (0,) * 4,
    buckets: Sequence[int] = (0,) * 10,
    nanoseconds: int = 0,
    responses: Sequence[int] = (0,) * 9,
    cgroup: int | None = None,
) -> bytes:
    """Return the bytes of a struct total, with a cgroup if that is not None."""
    counts = (
        claimed,
        struct.pack("=4Q", *ends),
        struct.pack("=10Q", *buckets),
        nanoseconds,
        struct.pack("=9Q", *responses),
        comm,
    )
    if cgroup is None:
        return TOTAL.pack(*counts, group_class)
    return WITH_CGROUP.pack(*counts, cgroup, group_class)


def make_permission(
    totals: Mapping[int, bytes],
    *,
    usage: tuple[int, int] = (0, 0),
    lost: tuple[int, int, int] = (0, 0, 0),
    iterator_reason: str = "not in this kernel",
    container: bool = False,
    share: Callable[[bytes], int] = share_memory,
) -> LoadedPermission:
    """Return programs whose maps hold *totals*, by index, *usage* and *lost*."""
    layout = WITH_CGROUP if container else TOTAL
    members = (*TOTAL_MEMBERS[:-1], "cgroup", "class") if container else TOTAL_MEMBERS
    entries = (totals.get(index, bytes(layout.size)) for index in range(TOTALS))
    return LoadedPermission(
        hook="kprobe",
        probes=PROBES,
        layouts={
            "totals": Layout(members, layout.format, TOTALS),
            "usage": Layout(("value",), "@Q", len(usage)),
            "lost": Layout(("value",), "@Q", len(lost)),
        },
        lost_reasons=(
            "permission_wait:no_begin",
            "permission_response:writers_full",
            "permission_response:unread",
        ),
        bcc="0.26.0",
        llvm="14",
        iterator_reason=iterator_reason,
        fds={
            "totals": share(b"".join(entries)),
            "usage": share(struct.pack("=2Q", *usage)),
            "lost": share(struct.pack("=3Q", *lost)),
        },
    )
