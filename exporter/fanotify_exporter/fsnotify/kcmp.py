"""kcmp(2): comparison of the open files behind two descriptors of any processes."""

from __future__ import annotations

from typing import Final

from fanotify_exporter.system.syscalls import syscall


# enum kcmp_type of include/uapi/linux/kcmp.h
KCMP_FILE: Final = 0

# kcmp(2) returns 0 for equal, 1 for less and 2 for greater. The manual page reserves
# other values; they are not equal.
ORDER: Final = {0: 0, 1: -1, 2: 1}

# A process id in the exporter's own pid namespace, and a descriptor of that process.
File = tuple[int, int]


def compare_files(one: File, other: File) -> int:
    """
    Return 0 if both are the same open file, else -1 or 1, in a total order.

    dup(2), fork(2) and SCM_RIGHTS make several descriptors of one open file. The
    order holds as long as the files are open.

    Raises:
        ProcessLookupError: a process has ended.
        PermissionError: another user's process takes CAP_SYS_PTRACE.
        OSError: EBADF, a descriptor is closed; ENOSYS, the kernel has no kcmp.
    """
    result = syscall("kcmp", one[0], other[0], KCMP_FILE, one[1], other[1])
    return ORDER.get(result, 1)
