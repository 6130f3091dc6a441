"""System calls that the C library has no function for: bpf(2), perf_event_open(2)."""

from __future__ import annotations

import ctypes
import os

from fanotify_exporter.system.machine import IS_ARM64


PERF_EVENT_OPEN = 241 if IS_ARM64 else 298
BPF = 280 if IS_ARM64 else 321

_libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, number: int, *arguments: object) -> int:
    """
    Make system call *number*, which an error calls *name*.

    Raises:
        OSError: it failed.
    """
    words = [
        ctypes.c_long(each) if isinstance(each, int) else each for each in arguments
    ]
    result = int(_libc.syscall(ctypes.c_long(number), *words))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), name)
    return result
