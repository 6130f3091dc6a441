"""Details of a call that is shown: time, cgroup, and files of descriptors."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from fanotify_exporter.bpf.call_records import Call
from fanotify_exporter.commands.cgroups import find_cgroup_root
from fanotify_exporter.procfs import PROC
from fanotify_exporter.system.cgroups import Cgroups, is_unknown
from fanotify_exporter.system.cpu_budget import CpuBudget
from fanotify_exporter.trace.clock import BootClock
from fanotify_exporter.trace.shown import AT_FDCWD, ShownCall
from fanotify_exporter.uapi.printable import printable_text


# Walks over all cgroups, for the name of a new one.
WALKS = CpuBudget(share=0.1)

# The calls whose first argument is a descriptor.
WITH_DESCRIPTOR = ("fanotify_mark", "inotify_add_watch")


class CallDetails:
    """Looks up the details of calls."""

    def __init__(self, *, container: bool, resolve: bool) -> None:
        """
        Look up nothing but the time, unless asked for.

        Args:
            container: whether to look up the cgroup and the container id.
            resolve: whether to look up the files of descriptors.
        """
        self._cgroups = Cgroups(find_cgroup_root()) if container else None
        self._next_walk = 0.0
        self._clock = BootClock()
        self._resolve = resolve

    def add(self, call: Call) -> ShownCall:
        """Return *call* with its details."""
        cgroup = self._name(self._cgroups, call.cgroup) if self._cgroups else None
        fd, dirfd = None, None
        if self._resolve and call.syscall in WITH_DESCRIPTOR:
            fd = read_link(call.tid, f"fd/{call.fd}")
        if self._resolve and call.syscall == "fanotify_mark":
            here = "cwd" if call.dirfd == AT_FDCWD else f"fd/{call.dirfd}"
            dirfd = read_link(call.tid, here)
        return ShownCall(call, self._clock.unix_ns(call.boot_ns), cgroup, fd, dirfd)

    def _name(self, cgroups: Cgroups, number: int) -> tuple[str, str]:
        """Return path and container id; walk for the name of a new cgroup."""
        name = cgroups(number)
        if is_unknown(name) and time.monotonic() >= self._next_walk:
            began = time.thread_time()
            with suppress(OSError):  # the name stays unknown
                cgroups.walk()
            delay = WALKS.delay(time.thread_time() - began)
            self._next_walk = time.monotonic() + delay
            name = cgroups(number)
        return name


def read_link(tid: int, name: str) -> str | None:
    """Return where the link *name* of thread *tid* leads, None if it cannot be read."""
    try:
        path = Path(PROC, str(tid), name).readlink()
    except OSError:
        return None
    return printable_text(os.fsencode(path))
