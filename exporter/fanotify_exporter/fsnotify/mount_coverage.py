"""
Which mounts of the host the mount and filesystem marks of programs cover.

A mark on a filesystem covers all mounts of the filesystem: all bind mounts, all btrfs
subvolumes, in all mount namespaces. A mark on a mount covers that mount only. The
copies of the mount in other mount namespaces have ids of their own, so the marks of a
program that marked mounts of another mount namespace match no mount of the host.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fanotify_exporter.fsnotify.model import OwnedGroup, WideMarks
from fanotify_exporter.fsnotify.throttle import yielding_gil
from fanotify_exporter.procfs import PROC
from fanotify_exporter.procfs.mountinfo import Mount, read_mounts
from fanotify_exporter.system.cpu_budget import CpuBudget


# Filesystems without files of users: interfaces of the kernel, and places for devices,
# sockets and huge pages. docs/mount_coverage.md has this list.
PSEUDO_FILESYSTEMS: Final = frozenset(
    (
        b"autofs binder binfmt_misc bpf cgroup cgroup2 configfs cpuset debugfs devpts "
        b"devtmpfs efivarfs functionfs fusectl hugetlbfs mqueue nfsd nsfs openpromfs "
        b"proc pstore resctrl rpc_pipefs securityfs selinuxfs smackfs sysfs tracefs "
        b"usbfs xenfs"
    ).split()
)

# Mounts that a scan reads. A container host has about 10,000; the kernel's limit is
# 100,000 (fs.mount-max). Each takes about 400 bytes.
MAX_MOUNTS: Final = 20_000

# Mounts are read every 10 seconds, in at most 1 % of a CPU. 10,000 mounts take about
# 0.1 CPU seconds.
BUDGET: Final = CpuBudget(share=0.01, min_delay=10.0, max_delay=60.0)

# Seconds after which the mounts that were read are too old to be reported.
MAX_AGE: Final = 180.0

# Mounts that are read until the thread yields the GIL: about 1 ms of CPU time.
MOUNTS_AT_ONCE: Final = 250


@dataclass(frozen=True, slots=True)
class MountTable:
    """
    The mounts of the host that marks can cover.

    Attributes:
        mounts: the mounts by id.
        by_device: ids of mounts by the device of their filesystem.
        fstypes: number of mounts by type of filesystem.
    """

    mounts: Mapping[int, Mount]
    by_device: Mapping[int, tuple[int, ...]]
    fstypes: Mapping[bytes, int]


@dataclass(frozen=True, slots=True)
class Coverage:
    """
    The mounts that the marks of one program cover.

    Attributes:
        comm: printable name of the program.
        can_block: whether the program has mount or filesystem marks with permission
            events; then only those marks count.
        covered: ids of mounts.
    """

    comm: str
    can_block: bool
    covered: frozenset[int]


class MountScanner:
    """
    Scanner of the mounts of the host's mount namespace, which is that of process 1.

    Args:
        proc: mount point of the host's procfs.
        cpu: the CPU time of the calling thread, in seconds.
    """

    def __init__(
        self, proc: Path = PROC, cpu: Callable[[], float] = time.thread_time
    ) -> None:
        """Read no mount yet."""
        self._proc = proc
        self._cpu = cpu
        self._seconds = 0.0

    def poll(self) -> MountTable:
        """
        Return the mounts that exist now.

        Raises:
            OSError: mountinfo cannot be read.
            RuntimeError: there are more than MAX_MOUNTS.
        """
        started = self._cpu()
        try:
            mounts: list[Mount] = []
            for mount in yielding_gil(read_mounts(self._proc), MOUNTS_AT_ONCE):
                if len(mounts) == MAX_MOUNTS:
                    raise RuntimeError(f"the host has more than {MAX_MOUNTS} mounts")
                mounts.append(mount)
            return mount_table(mounts)
        finally:
            self._seconds = self._cpu() - started

    def delay(self) -> float:
        """Return the seconds to wait until the next poll."""
        return BUDGET.delay(self._seconds)


def mount_table(mounts: Iterable[Mount]) -> MountTable:
    """
    Return the table of *mounts*.

    Pseudo filesystems are left out, and mounts under another mount at the same mount
    point: no path leads to their files.
    """
    every = {mount.mount_id: mount for mount in mounts}
    hidden = {
        mount.parent_id
        for mount in every.values()
        if mount.mount_id != mount.parent_id
        and (parent := every.get(mount.parent_id))
        and parent.mount_point == mount.mount_point
    }
    shown = {
        mount_id: mount
        for mount_id, mount in every.items()
        if mount.fstype not in PSEUDO_FILESYSTEMS and mount_id not in hidden
    }
    by_device = defaultdict[int, list[int]](list)
    for mount_id, mount in shown.items():
        by_device[mount.device].append(mount_id)
    return MountTable(
        shown,
        {device: tuple(ids) for device, ids in by_device.items()},
        Counter(mount.fstype for mount in shown.values()),
    )


def find_coverage(groups: Iterable[OwnedGroup], table: MountTable) -> list[Coverage]:
    """
    Return what each program with mount or filesystem marks covers, by comm.

    Programs without CAP_SYS_ADMIN in the initial user namespace are left out, except
    with a group that can block: the marks of others are on mounts of their own user
    namespace, and any user can make such marks (Linux 6.16).
    """
    every = defaultdict[str, list[WideMarks]](list)
    blocking = defaultdict[str, list[WideMarks]](list)
    for owned in groups:
        group = owned.group
        if not (owned.privileged or group.can_block):
            continue
        for marks, found in (
            (group.wide_marks, every),
            (group.blocking_wide_marks, blocking),
        ):
            if marks.mounts or marks.devices:
                found[owned.comm].append(marks)
    return [
        Coverage(comm, comm in blocking, _covered(blocking.get(comm, marks), table))
        for comm, marks in sorted(every.items())
    ]


def _covered(marks: Iterable[WideMarks], table: MountTable) -> frozenset[int]:
    found = set[int]()
    for each in marks:
        found |= each.mounts & table.mounts.keys()
        for device in each.devices & table.by_device.keys():
            found.update(table.by_device[device])
    return frozenset(found)
