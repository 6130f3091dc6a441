"""
Refuse the serving process the system calls that serving never needs; seccomp(2).

A refused call fails with EPERM, so a mistake in the table costs one function of the
exporter and not the process. A filter holds for the calling thread and for the threads
that it starts later.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Collection, Iterator
from errno import ENOSYS, EPERM
from typing import Final

from fanotify_exporter.system.seccomp_calls import (
    ABSENT,
    CONDITIONAL,
    FIRST_UNKNOWN,
    MACHINES,
    NEEDED_TO_START,
    NEVER_NEEDED,
    NONE,
)
from fanotify_exporter.system.syscalls import syscall


# include/uapi/linux/prctl.h and include/uapi/linux/seccomp.h
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
ALLOW = 0x7FFF_0000
SECCOMP_RET_ERRNO = 0x0005_0000
REFUSE = SECCOMP_RET_ERRNO | EPERM
NOT_THERE = SECCOMP_RET_ERRNO | ENOSYS

# include/uapi/linux/audit.h: the only ABI that each machine is allowed.
AUDIT_ARCH: Final = dict(zip(MACHINES, (0xC000_003E, 0xC000_00B7), strict=True))

# include/uapi/linux/bpf_common.h: load a word, compare it with a constant, return.
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06

# struct seccomp_data: the number, the ABI, and the low words of the arguments. All
# compared arguments are int in the kernel, or clone's flags, whose high word the
# kernel ignores.
NUMBER, ABI, ARGUMENTS, ARGUMENT_SIZE = 0, 4, 16, 8

# include/uapi/asm-generic/fcntl.h. O_TMPFILE needs one of the first two.
O_WRONLY, O_RDWR, O_CREAT, O_TRUNC = 0o1, 0o2, 0o100, 0o1000
# include/uapi/linux/sched.h. A thread cannot get a user namespace of its own, and all
# other namespaces need CAP_SYS_ADMIN.
CLONE_THREAD = 0x1_0000
# include/uapi/asm-generic/ioctls.h: type into a terminal, or paste into a console.
TIOCSTI, TIOCLINUX = 0x5412, 0x541C
# include/uapi/asm-generic/fcntl.h and sockios.h: the kernel signals another process
# when a descriptor is ready. For user 0 that takes no capability (sigio_perm() in
# fs/fcntl.c).
F_SETOWN, F_SETSIG, F_SETOWN_EX = 8, 10, 15
FIOSETOWN, SIOCSPGRP = 0x8901, 0x8902
# include/linux/socket.h: connect without connect(2).
MSG_FASTOPEN = 0x2000_0000
# include/linux/socket.h: notifications to systemd. The sockets that listen are open.
AF_UNIX = 1
# include/uapi/linux/prctl.h: let other processes read the memory of this one.
PR_SET_DUMPABLE, PR_SET_PTRACER = 4, 0x5961_6D61

# Code, jumps if true and if false, constant: struct sock_filter of linux/filter.h.
Instruction = tuple[int, int, int, int]


def install(bpf_commands: Collection[int]) -> None:
    """
    Install the filter for this thread and for all threads that it will start.

    Args:
        bpf_commands: commands of bpf(2) that stay allowed; include/uapi/linux/bpf.h.

    Raises:
        OSError: the kernel has no such filters, another filter refuses, the thread
            lacks no_new_privs, or the numbers of this machine are not known.
    """
    machine = os.uname().machine
    if machine not in MACHINES:
        raise OSError(ENOSYS, os.strerror(ENOSYS), f"seccomp on {machine}")
    program = list(build(machine, os.getpid(), bpf_commands))
    filters = b"".join(struct.pack("=HBBI", *each) for each in program)
    memory = ctypes.create_string_buffer(filters, len(filters))
    # struct sock_fprog
    header = struct.pack("@HP", len(program), ctypes.addressof(memory))
    syscall("prctl", PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header, 0, 0)


def build(
    machine: str, pid: int, bpf_commands: Collection[int]
) -> Iterator[Instruction]:
    """Yield the filter for the process *pid* on *machine*, one of MACHINES."""
    yield (LOAD, 0, 0, ABI)
    yield (EQUAL, 1, 0, AUDIT_ARCH[machine])
    yield (RETURN, 0, 0, REFUSE)
    yield (LOAD, 0, 0, NUMBER)
    yield (AT_LEAST, 0, 1, FIRST_UNKNOWN)
    yield (RETURN, 0, 0, NOT_THERE)
    refuse, not_there = [(RETURN, 0, 0, REFUSE)], [(RETURN, 0, 0, NOT_THERE)]
    conditions = _conditions(pid, bpf_commands)
    column = MACHINES.index(machine)
    for table, answers in (
        (NEVER_NEEDED, dict.fromkeys(NEVER_NEEDED, refuse)),
        (NEEDED_TO_START, dict.fromkeys(NEEDED_TO_START, refuse)),
        (ABSENT, dict.fromkeys(ABSENT, not_there)),
        (CONDITIONAL, conditions),
    ):
        for name, numbers in table.items():
            if numbers[column] != NONE:
                yield (EQUAL, 0, len(answers[name]), numbers[column])
                yield from answers[name]
    yield (RETURN, 0, 0, ALLOW)


def _conditions(
    pid: int, bpf_commands: Collection[int]
) -> dict[str, list[Instruction]]:
    """Return the instructions that answer each call of CONDITIONAL."""
    writes = (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC,)
    signals = (F_SETOWN, F_SETSIG, F_SETOWN_EX)
    requests = (TIOCSTI, TIOCLINUX, FIOSETOWN, SIOCSPGRP)
    return {
        "open": _refuse(1, ANY_BIT, writes),
        "openat": _refuse(2, ANY_BIT, writes),
        "clone": _allow(0, ANY_BIT, (CLONE_THREAD,)),
        "bpf": _allow(0, EQUAL, bpf_commands),
        "kill": _allow(0, EQUAL, (pid,)),
        "tgkill": _allow(0, EQUAL, (pid,)),
        "prlimit64": _allow(0, EQUAL, (0, pid)),
        "prctl": _refuse(0, EQUAL, (PR_SET_DUMPABLE, PR_SET_PTRACER)),
        "ioctl": _refuse(1, EQUAL, requests),
        "fcntl": _refuse(1, EQUAL, signals),
        "socket": _allow(0, EQUAL, (AF_UNIX,)),
        "sendto": _refuse(3, ANY_BIT, (MSG_FASTOPEN,)),
        "sendmsg": _refuse(2, ANY_BIT, (MSG_FASTOPEN,)),
        "sendmmsg": _refuse(3, ANY_BIT, (MSG_FASTOPEN,)),
    }


def _refuse(argument: int, test: int, constants: Collection[int]) -> list[Instruction]:
    """Return instructions: refuse if *test* holds for a constant, else allow."""
    return _answer(argument, test, constants, REFUSE, ALLOW)


def _allow(argument: int, test: int, constants: Collection[int]) -> list[Instruction]:
    """Return instructions: allow if *test* holds for a constant, else refuse."""
    return _answer(argument, test, constants, ALLOW, REFUSE)


def _answer(
    argument: int, test: int, constants: Collection[int], then: int, otherwise: int
) -> list[Instruction]:
    """Return instructions: *then* if *test* holds for a constant, else *otherwise*."""
    return [
        (LOAD, 0, 0, ARGUMENTS + ARGUMENT_SIZE * argument),
        *(
            instruction
            for constant in constants
            for instruction in ((test, 0, 1, constant), (RETURN, 0, 0, then))
        ),
        (RETURN, 0, 0, otherwise),
    ]
