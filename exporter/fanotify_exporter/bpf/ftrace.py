"""The switch of the kernel's function tracer, and which hooks hang on it."""

from __future__ import annotations

from pathlib import Path

from fanotify_exporter.errors import LoadError
from fanotify_exporter.procfs import PROC
from fanotify_exporter.system.machine import IS_ARM64


FTRACE_ENABLED = PROC / "sys/kernel/ftrace_enabled"
FTRACE_KINDS = ("fentry",) if IS_ARM64 else ("fentry", "kprobe")
"""Hooks in which that tracer calls the program."""


def is_attached(hook: str, switch: Path = FTRACE_ENABLED) -> bool:
    """
    Return whether a program at *hook*, such as "fentry:do_fanotify_mark", runs.

    What we attached nobody else can detach: the kernel lets links of these kinds go
    only with their last descriptor. But it stops calling those of the function tracer
    while that is off.
    """
    return hook.partition(":")[0] not in FTRACE_KINDS or _is_on(switch)


def require_ftrace(hook: str, switch: Path = FTRACE_ENABLED) -> None:
    """
    Look whether a program that is attached to *hook* would run.

    Raises:
        LoadError: it would not.
    """
    if not is_attached(hook, switch):
        raise LoadError(
            "kernel.ftrace_enabled is 0, so the kernel would not run it",
            "Run: sysctl kernel.ftrace_enabled=1",
        )


def _is_on(switch: Path) -> bool:
    try:
        return switch.read_text().strip() != "0"
    except FileNotFoundError:  # a kernel without that tracer
        return True
