"""
System calls of a process with the seccomp filter.

answers() runs this file. In that process the filter answers with errors that none of
the calls returns otherwise.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import subprocess
import sys
from collections.abc import Sequence

from fanotify_exporter.system import privileges, seccomp
from fanotify_exporter.system.seccomp_calls import (
    ABSENT,
    CONDITIONAL,
    MACHINES,
    NEEDED_TO_START,
    NEVER_NEEDED,
    NONE,
)


# EUCLEAN and ENOTNAM of errno(3): "refused" and "not there".
REFUSED, NOT_THERE = 117, 118

# The argument that stands for the pid of the calling process.
OWN_PID = "own pid"

# The only command of bpf(2) that the filter allows.
BPF_COMMAND = 15

# getpid() by int 0x80 of x86: push rbx; mov eax, 20; int 0x80; pop rbx; ret.
COMPAT_GETPID = bytes.fromhex("53 b814000000 cd80 5b c3")

# Number and arguments.
Numbered = tuple[int, Sequence[int | str]]


# All tables in one: numbers by name.
ALL = {**NEVER_NEEDED, **NEEDED_TO_START, **ABSENT, **CONDITIONAL}
# Refused whatever the arguments.
REFUSED_CALLS = """
add_key chmod chown chroot connect creat delete_module execve execveat fanotify_init
fchmod fchmodat fchmodat2 fchown fchownat finit_module fork fremovexattr fsconfig
fsetxattr fsmount fsopen fspick futimesat init_module io_uring_enter io_uring_register
io_uring_setup ioprio_set kexec_file_load kexec_load keyctl lchown link linkat
lremovexattr lsetxattr migrate_pages mkdir mkdirat mknod mknodat modify_ldt mount
mount_setattr move_mount move_pages mq_open mq_timedsend mq_unlink msgctl msgget msgrcv
msgsnd open_by_handle_at open_tree perf_event_open pidfd_getfd pidfd_send_signal
pivot_root process_madvise process_mrelease process_vm_readv process_vm_writev ptrace
removexattr rename renameat renameat2 request_key rmdir rt_sigqueueinfo
rt_tgsigqueueinfo sched_setaffinity sched_setattr sched_setparam sched_setscheduler
semctl semget semop semtimedop setns setpriority setxattr shmat shmctl shmget symlink
symlinkat tkill truncate umount2 unlink unlinkat unshare userfaultfd utime utimensat
utimes vfork
""".split()  # noqa: SIM905  one name a line takes 90 lines
NO_PID = 2**22 + 1  # above the largest pid, PID_MAX_LIMIT of linux/threads.h

# Name and arguments.
Call = tuple[str, tuple[int | str, ...]]

REFUSED_IF: list[Call] = [
    *(("open", (0, flags)) for flags in (1, 2, 3, 0o100, 0o1000, 0o2000001)),
    *(("openat", (-1, 0, flags)) for flags in (1, 2, 3, 0o100, 0o1000, 0o20200002)),
    ("clone", (0x120_0011,)),  # a child process
    ("clone", (0x1000_0000,)),  # a child process in a user namespace
    *(("bpf", (command,)) for command in (0, 1, 2, 5, 7, 14, 16, 28)),
    *(("kill", (pid, 0)) for pid in (NO_PID, 0, -1, 1 << 32 | NO_PID)),
    *(("tgkill", (pid, pid, 0)) for pid in (NO_PID, 0, -1)),
    ("prlimit64", (NO_PID, 7, 0, 0)),
    ("prctl", (4, 1)),
    ("prctl", (0x5961_6D61, -1)),
    *(("fcntl", (-1, command)) for command in (8, 10, 15)),
    *(("ioctl", (-1, number)) for number in (0x8901, 0x8902)),
    *(("socket", (family, 1, 0)) for family in (2, 10, 16, 17, 38, 40)),
    ("sendto", (-1, 0, 0, 0x2000_4000, 0, 0)),
    ("sendmsg", (-1, 0, 0x2000_0000)),
    ("sendmmsg", (-1, 0, 0, 0x2000_0000)),
    # The kernel ignores the high word of a request.
    *(("ioctl", (-1, number)) for number in (0x5412, 0x541C, 1 << 32 | 0x5412)),
]
ALLOWED_IF: list[Call] = [
    *(("open", (0, flags)) for flags in (0, 0o2000000, 0o4000, 0o10000000)),
    *(("openat", (-1, 0, flags)) for flags in (0, 0o2000000, 0o200000)),
    ("clone", (0x1_0000,)),  # a thread, which lacks the flags that the kernel demands
    ("bpf", (BPF_COMMAND,)),
    ("kill", (OWN_PID, 0)),
    ("tgkill", (OWN_PID, 0, 0)),
    ("prlimit64", (0, 7, 0, 0)),
    ("prlimit64", (OWN_PID, 7, 0, 0)),
    ("prctl", (15, 0)),
    ("ioctl", (-1, 0x5401)),
    *(("fcntl", (-1, command)) for command in (0, 1, 2, 3, 4, 1030)),
    ("socket", (1, 2, 0)),
    ("sendto", (-1, 0, 0, 0x4040, 0, 0)),
    ("sendmsg", (-1, 0, 0x4040)),
    ("sendmmsg", (-1, 0, 0, 0x4040)),
]


def answers(calls: Sequence[Numbered]) -> list[int]:
    """Return the errno of each of *calls*, 0 for success."""
    return _run(calls)


def of_this_machine(calls: list[Call]) -> dict[Call, int]:
    """Return the errno of those of *calls* that this machine has."""
    column = MACHINES.index(os.uname().machine)
    found = [call for call in calls if ALL[call[0]][column] != NONE]
    numbers = [(ALL[name][column], arguments) for name, arguments in found]
    return dict(zip(found, answers(numbers), strict=True))


def compat_answer() -> int:
    """Return what getpid() returns to int 0x80: a pid, or an errno below 0."""
    (answer,) = _run([])
    return answer


def _run(calls: Sequence[Numbered]) -> list[int]:
    done = subprocess.run(
        [sys.executable, __file__],
        input=json.dumps(calls),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: list[int] = json.loads(done.stdout)
    return found


def main() -> None:
    calls: list[Numbered] = json.load(sys.stdin)
    seccomp.REFUSE = seccomp.SECCOMP_RET_ERRNO | REFUSED
    seccomp.NOT_THERE = seccomp.SECCOMP_RET_ERRNO | NOT_THERE
    code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(COMPAT_GETPID)
    place = ctypes.addressof(ctypes.c_char.from_buffer(code))
    getpid = ctypes.CFUNCTYPE(ctypes.c_int)(place)
    libc = ctypes.CDLL(None, use_errno=True)
    privileges.drop((), None)
    seccomp.install([BPF_COMMAND])

    def error(number: int, arguments: Sequence[int | str]) -> int:
        words = [os.getpid() if each == OWN_PID else int(each) for each in arguments]
        ctypes.set_errno(0)
        libc.syscall(*(ctypes.c_long(each) for each in (number, *words)))
        return ctypes.get_errno()

    print(json.dumps([error(*each) for each in calls] or [getpid()]))


if __name__ == "__main__":
    main()
