"""kcmp(2): whether two descriptors, of any processes, are one open file."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable


KCMP_FILE = 0
NUMBERS = {"x86_64": 312, "aarch64": 272}
"""__NR_kcmp by machine: no libc has a wrapper."""

RESULTS = {0: 0, 1: -1, 2: 1}
"""Equal, less, greater; what else the manual page reserves is not equal."""

File = tuple[int, int]
"""A process id in our own pid namespace, and the number of a descriptor."""

Comparison = Callable[[File, File], int]


def compare_files(one: File, other: File) -> int:
    """
    Return 0 if both are the same open file, else -1 or 1, in a total order.

    dup(2), fork(2) and SCM_RIGHTS make descriptors of one open file. The order
    holds as long as the files are open.

    Raises:
        ProcessLookupError: a process is gone.
        PermissionError: it takes CAP_SYS_PTRACE for another user's process.
        OSError: EBADF, a descriptor is closed; ENOSYS, not in this kernel.
    """
    number = NUMBERS.get(os.uname().machine, -1)
    words = (number, one[0], other[0], KCMP_FILE, one[1], other[1])
    result = _libc.syscall(*map(ctypes.c_long, words))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"kcmp: {os.strerror(error)}")
    return RESULTS.get(result, 1)


_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
