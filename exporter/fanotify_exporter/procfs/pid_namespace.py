"""The pid namespace of this process."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fanotify_exporter.procfs import PROC


# PROC_PID_INIT_INO in include/linux/proc_ns.h
INITIAL_PID_NAMESPACE: Final = f"pid:[{0xEFFFFFFC}]"


def is_initial_pid_namespace(proc: Path = PROC) -> bool:
    """
    Return whether this process is in the host's pid namespace.

    A kernel without pid namespaces (CONFIG_PID_NS) has only that.

    Args:
        proc: a procfs that shows this process.
    """
    try:
        found = (proc / "self/ns/pid").readlink()
    except FileNotFoundError:
        return True
    return str(found) == INITIAL_PID_NAMESPACE
