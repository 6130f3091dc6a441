"""The switch of the kernel's function tracer, which stops fentry and kprobes."""

from __future__ import annotations

from pathlib import Path

from fanotify_exporter.errors import LoadError
from fanotify_exporter.procfs import PROC
from fanotify_exporter.system.machine import IS_ARM64


FTRACE_ENABLED = PROC / "sys/kernel/ftrace_enabled"

# Hooks whose programs the function tracer calls. On arm64 a kprobe at the start of a
# function is a breakpoint.
FTRACE_HOOKS = ("fentry",) if IS_ARM64 else ("fentry", "kprobe")


def is_attached(attach_point: str, switch: Path = FTRACE_ENABLED) -> bool:
    """
    Return whether the kernel runs a program at *attach_point*.

    While the function tracer is switched off, the kernel runs no program of
    FTRACE_HOOKS. No other process can detach a program: the kernel keeps the link
    until the last descriptor of the link is closed.

    Args:
        attach_point: such as "fentry:do_fanotify_mark", or a hook alone.
        switch: the file kernel.ftrace_enabled.
    """
    return attach_point.partition(":")[0] not in FTRACE_HOOKS or _is_on(switch)


def require_ftrace(hook: str, switch: Path = FTRACE_ENABLED) -> None:
    """
    Check that the kernel would run a program that is attached to *hook*.

    Raises:
        LoadError: the function tracer is switched off.
    """
    if not is_attached(hook, switch):
        raise LoadError(
            "kernel.ftrace_enabled is 0, so the kernel would not run the programs",
            "Run: sysctl kernel.ftrace_enabled=1",
        )


def _is_on(switch: Path) -> bool:
    try:
        return switch.read_text().strip() != "0"
    except FileNotFoundError:  # a kernel without the function tracer
        return True
