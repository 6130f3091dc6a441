"""
The words of fanotify's and inotify's uapi, and pure functions from numbers to them.

Tables: include/uapi/linux/fanotify.h of Linux 6.18; a bit that a table does not
name stays visible as hex, so two numbers never share a text.
"""

from __future__ import annotations

import os
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from fanotify_exporter.uapi.bits import bit_names


ACCESS_MODES: Final = ("O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE")
"""The lowest two bits of fanotify_init(2) event_f_flags."""

_O_FLAGS: Final = {
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
"""include/uapi/asm-generic/fcntl.h, but for what arm64 redefines."""

EVENT_F_FLAGS: Final = MappingProxyType(
    {
        "x86_64": {
            **_O_FLAGS,
            0x04000: "O_DIRECT",
            0x08000: "O_LARGEFILE",
            0x10000: "O_DIRECTORY",
            0x20000: "O_NOFOLLOW",
        },
        "aarch64": {
            **_O_FLAGS,
            0x04000: "O_DIRECTORY",
            0x08000: "O_NOFOLLOW",
            0x10000: "O_DIRECT",
            0x20000: "O_LARGEFILE",
        },
    }
)
"""Bits of fanotify_init(2) event_f_flags by machine; compat calls use the same."""

_MACHINE: Final = os.uname().machine


@lru_cache(maxsize=4096)
def event_f_flag_names(flags: int, machine: str = _MACHINE) -> str:
    """
    Spell fanotify_init(2) event_f_flags, the access mode first.

    >>> event_f_flag_names(0x8001, "x86_64")
    'O_WRONLY|O_LARGEFILE'
    """
    mode = ACCESS_MODES[flags & 0x3]
    rest = bit_names(flags & ~0x3, EVENT_F_FLAGS[machine])
    return mode if rest == "0" else f"{mode}|{rest}"
