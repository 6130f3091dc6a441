"""A made-up pass during a stall: 37 tasks wait, some with hostile names."""

from __future__ import annotations

from fanotify_exporter.fsnotify.waits import PermissionGroup, Waiter, WaitScan
from fanotify_exporter.uapi.comm import comm_text


SCANNED = 50_000.0

WDAVDAEMON = PermissionGroup(
    address=0xFFFF_0001,
    comm="wdavdaemon",
    group_class="content",
    listener=812,
    holders=frozenset({812}),
    waiting=34,
    oldest_since=SCANNED - 245,
    answers=9_000,
)
HSM = PermissionGroup(
    address=0xFFFF_0002,
    comm=comm_text(b"<b>hsm</b>, [9]"),
    group_class="pre_content",
    listener=4_194_303,
    holders=frozenset({4_194_303}),
    waiting=2,
    oldest_since=SCANNED - 12,
    answers=3,
)
# A listener that works.
IDLE = PermissionGroup(
    address=0xFFFF_0003,
    comm="fapolicyd",
    group_class="content",
    listener=700,
    holders=frozenset({700}),
    waiting=0,
    oldest_since=None,
    answers=77,
)

# Names of the first waiting tasks, the oldest wait first.
COMMS = (
    b"bash",
    b"<script>a()</s",
    b"W" * 15,
    b"\xff" * 15,
    "\u05d0\u05d1\u05d2 9".encode(),
    b"a\nb], c[1] 9s",
    b"GC Thread#1",
)

# The listener of one task is not known.
UNKNOWN_GROUP = 0

# Cgroup ids of the tasks, in turn.
CGROUPS = (4100, 4200, 0)


def stalled() -> WaitScan:
    """Return a pass: 34 tasks wait for WDAVDAEMON, 2 for HSM, and 1."""
    groups = [WDAVDAEMON.address] * 34 + [HSM.address] * 2 + [UNKNOWN_GROUP]
    ages = [245.0 - 6 * n for n in range(34)] + [12.0, 4.0, 0.25]
    return WaitScan(
        groups=(IDLE, WDAVDAEMON, HSM),
        waiters=tuple(
            Waiter(
                tid=5000 + n,
                pid=5000 + n - n % 2,
                comm=comm_text(COMMS[n] if n < len(COMMS) else b"worker-%d" % n),
                group=group,
                since=SCANNED - age,
                is_since_seen=n == 1,
                cgroup=CGROUPS[n % 3],
            )
            for n, (group, age) in enumerate(
                sorted(zip(groups, ages, strict=True), key=lambda item: -item[1])
            )
        ),
        scanned=SCANNED,
    )


def container(cgroup: int) -> tuple[str, str]:
    """Return the path and the container id of a cgroup of CGROUPS."""
    if cgroup == CGROUPS[0]:
        return "/kubepods.slice/cri-containerd-" + "ab" * 32, "ab" * 32
    return "/system.slice/" + "<i>long</i>" * 20 + ".service", ""
