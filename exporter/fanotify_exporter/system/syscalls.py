"""
System calls by name, for those that Python's os module does not offer.

This module is the only one that opens the C library through ctypes. glibc has no
wrapper for bpf(2), perf_event_open(2) and kcmp(2), so all calls go by number.
"""

from __future__ import annotations

import ctypes
import os
from types import MappingProxyType
from typing import Final


# __NR_* by machine: arch/x86/entry/syscalls/syscall_64.tbl, and for arm64
# include/uapi/asm-generic/unistd.h.
NUMBERS: Final = MappingProxyType(
    {
        "x86_64": {
            "bpf": 321,
            "capset": 126,
            "kcmp": 312,
            "mount": 165,
            "perf_event_open": 298,
            "prctl": 157,
            "unshare": 272,
        },
        "aarch64": {
            "bpf": 280,
            "capset": 91,
            "kcmp": 272,
            "mount": 40,
            "perf_event_open": 241,
            "prctl": 167,
            "unshare": 97,
        },
    }
)

# No system call has this number, so the kernel answers ENOSYS.
NO_NUMBER: Final = -1

_numbers = NUMBERS.get(os.uname().machine, {})
libc: Final = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def syscall(name: str, *arguments: int | bytes | None) -> int:
    """
    Make the system call *name* and return its result.

    The kernel gets bytes as a pointer to them and None as a null pointer.

    Raises:
        OSError: the call failed; the error names the call. ENOSYS also for a machine
            that NUMBERS does not have.
    """
    number = _numbers.get(name, NO_NUMBER)
    words = [
        ctypes.c_long(each) if isinstance(each, int) else each for each in arguments
    ]
    result = int(libc.syscall(ctypes.c_long(number), *words))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), name)
    return result
