"""
The system calls that the serving process is refused, with their numbers.

Each name has its number on x86_64 and on arm64: arch/x86/entry/syscalls/syscall_64.tbl
and include/uapi/asm-generic/unistd.h. NONE stands where a machine lacks the call.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final


Numbers = Mapping[str, tuple[int, int]]

# The machines in the order of the numbers, as uname(1) names them.
MACHINES: Final = ("x86_64", "aarch64")

NONE: Final = -1

# The first number that belongs to no call of Linux 6.10. Later calls, and those of x32
# (__X32_SYSCALL_BIT), do not exist for the exporter.
FIRST_UNKNOWN: Final = 463

# Refused by the unit and by the container's profile too, because nothing needs them.
NEVER_NEEDED: Final[Numbers] = MappingProxyType(
    {
        # Read, change or stop other processes.
        "ptrace": (101, 117),
        "process_vm_readv": (310, 270),
        "process_vm_writev": (311, 271),
        "process_madvise": (440, 440),
        "process_mrelease": (448, 448),
        "pidfd_getfd": (438, 438),
        "tkill": (200, 130),
        "rt_sigqueueinfo": (129, 138),
        "rt_tgsigqueueinfo": (297, 240),
        "move_pages": (279, 239),
        "migrate_pages": (256, 238),
        "setpriority": (141, 140),
        "ioprio_set": (251, 30),
        "sched_setaffinity": (203, 122),
        "sched_setattr": (314, 274),
        "sched_setparam": (142, 118),
        "sched_setscheduler": (144, 119),
        # Change objects that processes share.
        "shmat": (30, 196),
        "shmget": (29, 194),
        "shmctl": (31, 195),
        "semget": (64, 190),
        "semop": (65, 193),
        "semtimedop": (220, 192),
        "semctl": (66, 191),
        "msgget": (68, 186),
        "msgsnd": (69, 189),
        "msgrcv": (70, 188),
        "msgctl": (71, 187),
        "mq_open": (240, 180),
        "mq_unlink": (241, 181),
        "mq_timedsend": (242, 182),
        # Leave the namespaces, change mounts.
        "unshare": (272, 97),
        "setns": (308, 268),
        "mount": (165, 40),
        "umount2": (166, 39),
        "pivot_root": (155, 41),
        "chroot": (161, 51),
        "open_tree": (428, 428),
        "move_mount": (429, 429),
        "fsopen": (430, 430),
        "fsconfig": (431, 431),
        "fsmount": (432, 432),
        "fspick": (433, 433),
        "mount_setattr": (442, 442),
        # With CAP_DAC_READ_SEARCH, this call opens files outside of the container.
        "open_by_handle_at": (304, 265),
        # Change files without opening them.
        "creat": (85, NONE),
        "truncate": (76, 45),
        "mknod": (133, NONE),
        "mknodat": (259, 33),
        "rename": (82, NONE),
        "renameat": (264, 38),
        "renameat2": (316, 276),
        "link": (86, NONE),
        "linkat": (265, 37),
        "symlink": (88, NONE),
        "symlinkat": (266, 36),
        "chmod": (90, NONE),
        "fchmod": (91, 52),
        "fchmodat": (268, 53),
        "fchmodat2": (452, 452),
        "chown": (92, NONE),
        "fchown": (93, 55),
        "fchownat": (260, 54),
        "lchown": (94, NONE),
        "utime": (132, NONE),
        "utimes": (235, NONE),
        "utimensat": (280, 88),
        "futimesat": (261, NONE),
        "setxattr": (188, 5),
        "lsetxattr": (189, 6),
        "fsetxattr": (190, 7),
        "removexattr": (197, 14),
        "lremovexattr": (198, 15),
        "fremovexattr": (199, 16),
        # Change the kernel, or reach parts of the kernel with many faults.
        "userfaultfd": (323, 282),
        "io_uring_setup": (425, 425),
        "io_uring_enter": (426, 426),
        "io_uring_register": (427, 427),
        "init_module": (175, 105),
        "finit_module": (313, 273),
        "delete_module": (176, 106),
        "kexec_load": (246, 104),
        "kexec_file_load": (320, 294),
        "add_key": (248, 217),
        "request_key": (249, 218),
        "keyctl": (250, 219),
        "modify_ldt": (154, NONE),
    }
)

# Needed to start, by the loader child, for pins or by the C library.
NEEDED_TO_START: Final[Numbers] = MappingProxyType(
    {
        "execve": (59, 221),
        "execveat": (322, 281),
        "fork": (57, NONE),
        "vfork": (58, NONE),
        "perf_event_open": (298, 241),
        "fanotify_init": (300, 262),
        "connect": (42, 203),
        "pidfd_send_signal": (424, 424),
        "mkdir": (83, NONE),
        "mkdirat": (258, 34),
        "rmdir": (84, NONE),
        "unlink": (87, NONE),
        "unlinkat": (263, 35),
    }
)

# The C library does without these. Their arguments are in memory, where no filter can
# read them: clone3 may make namespaces, openat2 may open for writing.
ABSENT: Final[Numbers] = MappingProxyType({"clone3": (435, 435), "openat2": (437, 437)})

# Refused with some arguments: seccomp.py has the conditions.
CONDITIONAL: Final[Numbers] = MappingProxyType(
    {
        "open": (2, NONE),
        "openat": (257, 56),
        "clone": (56, 220),
        "bpf": (321, 280),
        "kill": (62, 129),
        "tgkill": (234, 131),
        "prlimit64": (302, 261),
        "prctl": (157, 167),
        "ioctl": (16, 29),
        "fcntl": (72, 25),
        "socket": (41, 198),
        "sendto": (44, 206),
        "sendmsg": (46, 211),
        "sendmmsg": (307, 269),
    }
)
