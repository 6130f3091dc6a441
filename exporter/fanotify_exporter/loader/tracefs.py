"""tracefs, where the kernel lists its tracepoints."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from fanotify_exporter.errors import LoadError
from fanotify_exporter.procfs.mounts import read_mounted


TRACEFS = Path("/sys/kernel/tracing")


def require_tracefs() -> None:
    """
    Mount tracefs where only this process sees it, if the host has none.

    Raises:
        LoadError: the kernel refuses, or tracefs has no events.
    """
    try:
        os.listdir(TRACEFS / "events")  # noqa: PTH208  the errors are what counts
    except FileNotFoundError as error:
        if str(TRACEFS) in read_mounted("tracefs"):
            raise LoadError(
                f"tracefs at {TRACEFS} has no events",
                "Is kernel lockdown on, or CONFIG_FTRACE_SYSCALLS off?",
            ) from error
        _mount_tracefs()
    except PermissionError as error:
        raise LoadError(
            f"cannot read {TRACEFS}: {error.strerror}",
            "Run it as root, or give it CAP_DAC_READ_SEARCH, CAP_BPF and CAP_PERFMON.",
        ) from error


def _mount_tracefs() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    clone_newns, ms_rec, ms_private = 0x20000, 0x4000, 0x40000
    if (
        libc.unshare(clone_newns)
        or libc.mount(b"none", b"/", None, ms_rec | ms_private, None)
        or libc.mount(b"tracefs", bytes(TRACEFS), b"tracefs", 0, None)
    ):
        why = os.strerror(ctypes.get_errno())
        raise LoadError(
            f"tracefs is not mounted at {TRACEFS}, and mounting it: {why}",
            f"Mount it (mount -t tracefs tracefs {TRACEFS}), or run the exporter as "
            "root, or give it CAP_SYS_ADMIN, CAP_BPF and CAP_PERFMON.",
        )
