"""A fixed set of permission waits: what programs counted, and who waits now."""

from __future__ import annotations

from collections.abc import Mapping

from fanotify_exporter.bpf.permission_samples import (
    ENDS,
    GROUPS_FULL_COMM,
    UNKNOWN_COMM,
    ListenerTotals,
    PermissionSnapshot,
)
from fanotify_exporter.bpf.samples import Lost, Usage
from fanotify_exporter.fsnotify.waits import PermissionGroup, Waiter, WaitScan


def totals(
    comm: str,
    group_class: str = "content",
    *,
    ends: Mapping[str, int] | None = None,
    buckets: tuple[int, ...] = (0,) * 10,
    seconds: float = 0.0,
    responses: Mapping[tuple[str, str], int] | None = None,
    cgroup: int = 0,
) -> ListenerTotals:
    """Return the totals of a listener; what is not given is 0."""
    return ListenerTotals(
        comm,
        group_class,
        dict.fromkeys(ENDS, 0) | dict(ends or {}),
        buckets,
        seconds,
        responses or {},
        cgroup,
    )


def group(
    address: int,
    comm: str,
    group_class: str = "content",
    *,
    waiting: int = 0,
    oldest_since: float | None = None,
    cgroup: int = 0,
) -> PermissionGroup:
    """Return a group whose listener is the process with the number *address*."""
    holders = frozenset({address})
    return PermissionGroup(
        address,
        comm,
        group_class,
        address,
        holders,
        waiting,
        oldest_since,
        answers=0,
        cgroup=cgroup,
    )


SNAPSHOT = PermissionSnapshot(
    counting_since=1_700_000_060.0,
    totals=(
        totals(
            "fapolicyd",
            ends={"answered": 4711, "killed": 2, "unanswered": 1},
            buckets=(4000, 700, 8, 0, 0, 0, 0, 3, 2, 1),
            seconds=290.75,
            responses={("allow", ""): 4700, ("deny", "EPERM"): 11},
        ),
        # An HSM daemon that was closed while two tasks waited.
        totals(
            "hsmd",
            "pre_content",
            ends={"answered": 7, "listener_closed": 2},
            buckets=(0, 0, 0, 0, 0, 0, 1, 4, 3, 1),
            seconds=151.5,
            responses={("allow", ""): 5, ("deny", "EIO"): 1, ("deny", "other"): 1},
        ),
        totals(UNKNOWN_COMM, ends={"listener_closed": 1}),
        totals(GROUPS_FULL_COMM, ends={"answered": 3}, responses={("allow", ""): 3}),
    ),
    usage=(Usage("permission_groups", 3, 256), Usage("permission_waits", 37, 32_768)),
    lost=(
        Lost("permission_wait", "no_begin", 1),
        Lost("permission_wait", "recursion", 0),
        Lost("permission_response", "recursion", 0),
        Lost("permission_group", "map_full", 3),
    ),
)

# clamonacc and avd wait for each other. fapolicyd has one stalled and one idle group.
SCAN = WaitScan(
    groups=(
        group(1, "fapolicyd", waiting=37, oldest_since=760.0),
        group(2, "fapolicyd"),
        group(3, "clamonacc", waiting=1, oldest_since=900.0),
        group(4, "avd", waiting=1, oldest_since=900.5),
        group(5, "hsmd", "pre_content"),
    ),
    waiters=(
        Waiter(70, 70, "cat", 1, 760.0),
        Waiter(41, 4, "avd", 3, 900.0),
        Waiter(31, 3, "clamonacc", 4, 900.5),
    ),
    scanned=1000.0,
    deadlocked=frozenset({3, 4}),
    unix_time=1_750_000_000.25,
)
