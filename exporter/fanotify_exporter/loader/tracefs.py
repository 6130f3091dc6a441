"""tracefs, the filesystem that lists the kernel's tracepoints."""

from __future__ import annotations

import os
from pathlib import Path

from fanotify_exporter.errors import LoadError
from fanotify_exporter.procfs.mounts import read_mounted
from fanotify_exporter.system.syscalls import syscall


TRACEFS = Path("/sys/kernel/tracing")

# include/uapi/linux/sched.h and include/uapi/linux/mount.h
CLONE_NEWNS = 0x20000
MS_REC = 0x4000
MS_PRIVATE = 0x40000


def require_tracefs() -> None:
    """
    Check that tracefs is mounted, or mount tracefs in a new mount namespace.

    Raises:
        LoadError: tracefs cannot be read or mounted, or has no events.
    """
    try:
        os.listdir(TRACEFS / "events")  # noqa: PTH208  only its errors matter
    except FileNotFoundError as error:
        if str(TRACEFS) in read_mounted("tracefs"):
            raise LoadError(
                f"tracefs at {TRACEFS} has no events",
                "Kernel lockdown is on, or the kernel has no tracepoints: use another "
                "hook.",
            ) from error
        _mount_tracefs()
    except PermissionError as error:
        raise LoadError(
            f"cannot read {TRACEFS}: {error.strerror}",
            "Run the exporter as root, or give it CAP_DAC_READ_SEARCH, CAP_BPF and "
            "CAP_PERFMON.",
        ) from error


def _mount_tracefs() -> None:
    """Mount tracefs where no other process sees the mount."""
    try:
        syscall("unshare", CLONE_NEWNS)
        syscall("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
        syscall("mount", b"tracefs", bytes(TRACEFS), b"tracefs", 0, None)
    except OSError as error:
        raise LoadError(
            f"tracefs is not mounted at {TRACEFS}, and mounting it failed: "
            f"{error.strerror}",
            f"Mount tracefs (mount -t tracefs tracefs {TRACEFS}), or run the exporter "
            "as root, or give it CAP_SYS_ADMIN, CAP_BPF and CAP_PERFMON.",
        ) from error
