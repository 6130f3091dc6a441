"""
Names of open(2) flags, which are the event_f_flags of fanotify_init(2).

Sources: include/uapi/asm-generic/fcntl.h, and for what arm64 redefines
arch/arm64/include/uapi/asm/fcntl.h.
"""

from __future__ import annotations

import os
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from fanotify_exporter.uapi.bits import bit_names


# The lowest two bits are a number: O_RDONLY is 0.
ACCESS_MODES: Final = ("O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE")

# The flags with the same number on all machines.
COMMON_FLAGS: Final = {
    0x000040: "O_CREAT",
    0x000080: "O_EXCL",
    0x000100: "O_NOCTTY",
    0x000200: "O_TRUNC",
    0x000400: "O_APPEND",
    0x000800: "O_NONBLOCK",
    0x001000: "O_DSYNC",
    0x002000: "FASYNC",
    0x040000: "O_NOATIME",
    0x080000: "O_CLOEXEC",
    0x100000: "__O_SYNC",
    0x200000: "O_PATH",
    0x400000: "__O_TMPFILE",
}

# The flags by machine. 32-bit callers on a 64-bit kernel use the same numbers.
EVENT_F_FLAGS: Final = MappingProxyType(
    {
        "x86_64": {
            **COMMON_FLAGS,
            0x04000: "O_DIRECT",
            0x08000: "O_LARGEFILE",
            0x10000: "O_DIRECTORY",
            0x20000: "O_NOFOLLOW",
        },
        "aarch64": {
            **COMMON_FLAGS,
            0x04000: "O_DIRECTORY",
            0x08000: "O_NOFOLLOW",
            0x10000: "O_DIRECT",
            0x20000: "O_LARGEFILE",
        },
    }
)

THIS_MACHINE: Final = os.uname().machine


@lru_cache(maxsize=4096)
def event_f_flag_names(flags: int, machine: str = THIS_MACHINE) -> str:
    """
    Return the names of fanotify_init(2) event_f_flags, the access mode first.

    >>> event_f_flag_names(0x8001, "x86_64")
    'O_WRONLY|O_LARGEFILE'
    """
    mode = ACCESS_MODES[flags & 0x3]
    rest = bit_names(flags & ~0x3, EVENT_F_FLAGS[machine])
    return mode if rest == "0" else f"{mode}|{rest}"
