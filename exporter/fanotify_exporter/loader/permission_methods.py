"""Table of the methods that attach the programs which count permission waits."""

from __future__ import annotations

from typing import Final

from fanotify_exporter.loader.methods import AttachMethod, ProbeSpec
from fanotify_exporter.system.machine import preempts_kernel


# A missed run of the program at the begin of a wait is counted as a wait without a
# begin, by the program at the end.
_FENTRY = (
    ProbeSpec(
        "permission_wait",
        "fsnotify_prepare_user_wait",
        "kretfunc__fsnotify_prepare_user_wait",
        saves_arguments=True,
    ),
    ProbeSpec(
        "permission_wait",
        "fsnotify_finish_user_wait",
        "kfunc__fsnotify_finish_user_wait",
        at_entry=True,
    ),
    ProbeSpec(
        "permission_response", "fanotify_write", "kfunc__fanotify_write", at_entry=True
    ),
    ProbeSpec("permission_response", "fanotify_write", "kretfunc__fanotify_write"),
    ProbeSpec(
        "permission_group",
        "fanotify_free_group_priv",
        "kfunc__fanotify_free_group_priv",
        at_entry=True,
    ),
)

_KPROBE = (
    ProbeSpec(
        "permission_wait",
        "fsnotify_prepare_user_wait",
        "enter_prepare",
        saves_arguments=True,
        at_entry=True,
    ),
    ProbeSpec(
        "permission_wait",
        "fsnotify_prepare_user_wait",
        "return_prepare",
        saves_arguments=True,
    ),
    ProbeSpec(
        "permission_wait", "fsnotify_finish_user_wait", "enter_finish", at_entry=True
    ),
    ProbeSpec("permission_response", "fanotify_write", "enter_write", at_entry=True),
    ProbeSpec("permission_response", "fanotify_write", "return_write"),
    ProbeSpec(
        "permission_group",
        "fanotify_free_group_priv",
        "enter_free_group",
        at_entry=True,
    ),
)


def _sources(way: str, answers: str, hook: str) -> tuple[str, ...]:
    """Return the parts of a method that reads kernel structures in the *way*."""
    parts = ("groups", way, "structures", "credits", "waits", answers, "answers", hook)
    return tuple(f"permission/{part}" for part in parts)


_FENTRY_METHODS = (
    AttachMethod(
        "fentry_typed",
        hook="fentry",
        sources=_sources("typed", "answers_read", "fentry"),
        probes=_FENTRY,
    ),
    AttachMethod(
        "fentry_read",
        hook="fentry",
        sources=_sources("read", "answers_read", "fentry"),
        probes=_FENTRY,
    ),
    # For lockdown=confidentiality, which refuses the read helper.
    AttachMethod(
        "fentry_lockdown",
        hook="fentry",
        sources=_sources("typed", "answers_typed", "fentry"),
        probes=_FENTRY,
    ),
)

_KPROBE_METHODS = (
    AttachMethod(
        "kprobe",
        hook="kprobe",
        sources=_sources("read", "answers_read", "kprobe"),
        probes=_KPROBE,
    ),
)

# In order of preference: the first method that works is used. A kernel that preempts
# itself preempts fentry programs since 5.11 (__bpf_prog_enter() in
# kernel/bpf/trampoline.c), and skips the program for a task that runs on the CPU
# meanwhile. A program on a kprobe is never preempted.
PERMISSION_METHODS: Final[tuple[AttachMethod, ...]] = (
    (*_KPROBE_METHODS, *_FENTRY_METHODS)
    if preempts_kernel()
    else (*_FENTRY_METHODS, *_KPROBE_METHODS)
)
