"""The mounts of the host that marks can cover, read in the background."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

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

    Pseudo filesystems are left out, and mounts that another mount hides: no path leads
    to their files.
    """
    every = list(mounts)
    hidden = _hidden(every)
    shown = {
        mount.mount_id: mount
        for mount in every
        if mount.fstype not in PSEUDO_FILESYSTEMS and mount.mount_id not in hidden
    }
    by_device = defaultdict[int, list[int]](list)
    for mount_id, mount in shown.items():
        by_device[mount.device].append(mount_id)
    return MountTable(
        shown,
        {device: tuple(ids) for device, ids in by_device.items()},
        Counter(mount.fstype for mount in shown.values()),
    )


def _hidden(mounts: Collection[Mount]) -> set[int]:
    """
    Return the ids of the *mounts* that another mount hides.

    A mount hides the mount that it is on if both have the same mount point, and all
    mounts below its mount point that are on the same mount, with all that is on them.
    """
    points = defaultdict[int, set[bytes]](set)
    for mount in mounts:
        if mount.mount_id != mount.parent_id:  # the first mount of a kernel is
            points[mount.parent_id].add(mount.mount_point)
    buried = {
        mount.mount_id
        for mount in mounts
        if any(
            folder in points[mount.parent_id]
            for folder in _folders_above(mount.mount_point)
        )
    }
    while on_buried := {
        mount.mount_id
        for mount in mounts
        if mount.parent_id in buried and mount.mount_id not in buried
    }:
        buried |= on_buried
    return buried | {
        mount.mount_id
        for mount in mounts
        if mount.mount_point in points[mount.mount_id]
    }


def _folders_above(path: bytes) -> Iterator[bytes]:
    """Yield the folder of *path*, the folder of that, and so on."""
    while path != b"/":
        path = path.rpartition(b"/")[0] or b"/"
        yield path
