"""
Collector of the calls that create fanotify groups and inotify instances.

# TYPE fanotify_init_calls_total counter
fanotify_init_calls_total{comm="fatrace",class="notification",flags="FAN_CLOEXEC",
  event_f_flags="O_RDONLY|O_LARGEFILE"} 1
"""

from __future__ import annotations

from fanotify_exporter.bpf.samples import OTHER_COMM, Call
from fanotify_exporter.collectors.call_series import CallsCollector, Syscall
from fanotify_exporter.uapi.fanotify import init_class, init_flag_names
from fanotify_exporter.uapi.fcntl import event_f_flag_names
from fanotify_exporter.uapi.inotify import inotify_flag_names


def fanotify_init_values(call: Call) -> tuple[str, ...]:
    """Return the label values. Both labels of flags are empty if the map was full."""
    group_class = init_class(call.flags)
    if call.comm == OTHER_COMM:
        return call.comm, group_class, "", ""
    flags = init_flag_names(call.flags)
    return call.comm, group_class, flags, event_f_flag_names(call.mask)


def inotify_init_values(call: Call) -> tuple[str, ...]:
    """Return the label values. The flags are empty if the map was full."""
    known = call.comm != OTHER_COMM
    return call.comm, inotify_flag_names(call.flags) if known else ""


FANOTIFY_INIT = Syscall(
    "fanotify_init",
    "fanotify_init(2)",
    ("comm", "class", "flags", "event_f_flags"),
    fanotify_init_values,
)

INOTIFY_INIT = Syscall(
    "inotify_init",
    "inotify_init(2) and inotify_init1(2)",
    ("comm", "flags"),
    inotify_init_values,
)


class InitCallsCollector(CallsCollector):
    """Collector of {fanotify,inotify}_init_{calls,errors}_total."""

    syscalls = (FANOTIFY_INIT, INOTIFY_INIT)
