"""Table of the methods that attach the programs which count events."""

from __future__ import annotations

from typing import Final

from fanotify_exporter.loader.methods import AttachMethod, ProbeSpec
from fanotify_exporter.system.machine import preempts_kernel


# The name since Linux 5.16 (1ad03c3a326a), and the name before.
INSERT_EVENT: Final = "fsnotify_insert_event"
ADD_EVENT: Final = "fsnotify_add_event"

# A missed run of a program that names listeners is no lost event: the event counts for
# another name.
_FENTRY = (
    ProbeSpec("event", INSERT_EVENT, f"kretfunc__{INSERT_EVENT}"),
    ProbeSpec(
        "event_listener",
        "fsnotify_add_mark_locked",
        "kfunc__fsnotify_add_mark_locked",
        saves_arguments=True,
        at_entry=True,
    ),
    ProbeSpec(
        "event_listener",
        "fanotify_read",
        "kfunc__fanotify_read",
        saves_arguments=True,
        at_entry=True,
    ),
    ProbeSpec(
        "event_listener",
        "fanotify_free_group_priv",
        "kfunc__fanotify_free_group_priv",
        saves_arguments=True,
        at_entry=True,
    ),
)

# The return probe counts an event whose entry was missed as lost.
_KPROBE = (
    ProbeSpec(
        "event", INSERT_EVENT, "enter_insert", saves_arguments=True, at_entry=True
    ),
    ProbeSpec("event", INSERT_EVENT, "return_insert"),
    ProbeSpec(
        "event_listener",
        "fsnotify_add_mark_locked",
        "enter_add_mark",
        saves_arguments=True,
        at_entry=True,
    ),
    ProbeSpec(
        "event_listener",
        "fanotify_read",
        "enter_read",
        saves_arguments=True,
        at_entry=True,
    ),
    ProbeSpec(
        "event_listener",
        "fanotify_free_group_priv",
        "enter_free_group",
        saves_arguments=True,
        at_entry=True,
    ),
)


def _sources(way: str, hook: str) -> tuple[str, ...]:
    """Return the parts of a method that reads kernel structures in the *way*."""
    parts = (way, "structures", "listeners", "count", hook)
    return tuple(f"events/{part}" for part in parts)


_FENTRY_METHODS = tuple(
    AttachMethod(
        f"fentry_{way}", hook="fentry", sources=_sources(way, "fentry"), probes=_FENTRY
    )
    for way in ("typed", "read")
)

_KPROBE_METHODS = (
    AttachMethod(
        "kprobe", hook="kprobe", sources=_sources("read", "kprobe"), probes=_KPROBE
    ),
)

# In order of preference; permission_methods.py has the reason.
EVENTS_METHODS: Final[tuple[AttachMethod, ...]] = (
    (*_KPROBE_METHODS, *_FENTRY_METHODS)
    if preempts_kernel()
    else (*_FENTRY_METHODS, *_KPROBE_METHODS)
)
