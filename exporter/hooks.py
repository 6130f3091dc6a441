"""The ladder: the ways to attach, what each hooks, sees and costs; pure data."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final


NATIVE, COMPAT = (
    ("__arm64_sys_fanotify_mark", "__arm64_compat_sys_fanotify_mark")
    if os.uname().machine == "aarch64"
    else ("__x64_sys_fanotify_mark", "__ia32_compat_sys_fanotify_mark")
)
"""The syscall wrappers; a kernel without 32-bit support lacks the second."""

EXIT = "syscalls:sys_exit_fanotify_mark"

ENTRY_PROGRAM = "mark_enter"
"""Only keeps arguments: a run that it misses is lost, and counted, at the exit."""


@dataclass(frozen=True, slots=True)
class Rung:
    """
    One way to attach.

    Attributes:
        hook: what --bpf.hook calls it.
        macro: selects its programs in the C file.
        hooks: (the kernel's target, our function), in the order to attach.
        compat: whether it sees 32-bit compat calls.
        taxes: whether every system call of the host gets slower.
        tracefs: whether attaching reads it.
    """

    hook: str
    macro: str
    hooks: tuple[tuple[str, str], ...]
    compat: bool = True
    taxes: bool = False
    tracefs: bool = False

    @property
    def name(self) -> str:
        """The rung in one word, unique in the ladder."""
        return self.macro.removeprefix("HOOK_").lower()


LADDER: Final = (
    Rung(
        "fentry",
        "HOOK_FEXIT",
        (("do_fanotify_mark", "kretfunc__do_fanotify_mark"),),
    ),
    Rung(
        "fentry",
        "HOOK_FEXIT_WRAPPERS",
        ((NATIVE, f"kretfunc__{NATIVE}"), (COMPAT, f"kretfunc__{COMPAT}")),
    ),
    Rung(
        "kprobe",
        "HOOK_KRETPROBE",
        ((NATIVE, "mark_return"), (COMPAT, "mark_return_compat")),
    ),
    Rung(
        "tracepoint",
        "HOOK_SYS_EXIT",
        ((EXIT, "mark_exit"),),
        compat=False,
        taxes=True,
        tracefs=True,
    ),
    Rung(
        "tracepoint",
        "HOOK_SYS_ENTER_EXIT",
        (("syscalls:sys_enter_fanotify_mark", ENTRY_PROGRAM), (EXIT, "mark_exit")),
        compat=False,
        taxes=True,
        tracefs=True,
    ),
    Rung(
        "raw_tracepoint",
        "HOOK_RAW_SYS_EXIT",
        (("sys_exit", "mark_raw_exit"),),
        taxes=True,
    ),
)
"""Best first."""
