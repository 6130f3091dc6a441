"""
Collector of the calls that add inotify watches.

# TYPE inotify_add_watch_errors_total counter
inotify_add_watch_errors_total{comm="code",errno="ENOSPC"} 3
"""

from __future__ import annotations

from fanotify_exporter.bpf.samples import Call
from fanotify_exporter.collectors.call_series import CallsCollector, Syscall


def add_watch_values(call: Call) -> tuple[str, ...]:
    """Return the label values. The mask is not in the key."""
    return (call.comm,)


INOTIFY_ADD_WATCH = Syscall(
    "inotify_add_watch", "inotify_add_watch(2)", ("comm",), add_watch_values
)


class InotifyCallsCollector(CallsCollector):
    """Collector of inotify_add_watch_{calls,errors}_total."""

    syscalls = (INOTIFY_ADD_WATCH,)
