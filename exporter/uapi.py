"""
The words of fanotify's and inotify's uapi, and pure functions from numbers to them.

Tables: include/uapi/linux/fanotify.h of Linux 6.18; a bit that a table does not
name stays visible as hex, so two numbers never share a text.
"""

from __future__ import annotations

import errno as _errno
import os
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final


MARK_COMMANDS: Final = MappingProxyType(
    {
        0x001: "FAN_MARK_ADD",
        0x002: "FAN_MARK_REMOVE",
        0x080: "FAN_MARK_FLUSH",
    }
)
"""Command bits of fanotify_mark(2) flags; the kernel wants exactly one."""

MARK_TYPE_MASK: Final = 0x110
"""The field of fanotify_mark(2) flags that holds the mark type."""

MARK_TYPES: Final = MappingProxyType(
    {
        0x000: "FAN_MARK_INODE",
        0x010: "FAN_MARK_MOUNT",
        0x100: "FAN_MARK_FILESYSTEM",
        0x110: "FAN_MARK_MNTNS",
    }
)
"""Mark types: an enumeration, so 0x110 is not MOUNT and FILESYSTEM."""

MARK_MODIFIERS: Final = MappingProxyType(
    {
        0x004: "FAN_MARK_DONT_FOLLOW",
        0x008: "FAN_MARK_ONLYDIR",
        0x020: "FAN_MARK_IGNORED_MASK",
        0x040: "FAN_MARK_IGNORED_SURV_MODIFY",
        0x200: "FAN_MARK_EVICTABLE",
        0x400: "FAN_MARK_IGNORE",
    }
)
"""The other bits of fanotify_mark(2) flags."""

MASK: Final = MappingProxyType(
    {
        0x0000_0001: "FAN_ACCESS",
        0x0000_0002: "FAN_MODIFY",
        0x0000_0004: "FAN_ATTRIB",
        0x0000_0008: "FAN_CLOSE_WRITE",
        0x0000_0010: "FAN_CLOSE_NOWRITE",
        0x0000_0020: "FAN_OPEN",
        0x0000_0040: "FAN_MOVED_FROM",
        0x0000_0080: "FAN_MOVED_TO",
        0x0000_0100: "FAN_CREATE",
        0x0000_0200: "FAN_DELETE",
        0x0000_0400: "FAN_DELETE_SELF",
        0x0000_0800: "FAN_MOVE_SELF",
        0x0000_1000: "FAN_OPEN_EXEC",
        0x0000_4000: "FAN_Q_OVERFLOW",
        0x0000_8000: "FAN_FS_ERROR",
        0x0001_0000: "FAN_OPEN_PERM",
        0x0002_0000: "FAN_ACCESS_PERM",
        0x0004_0000: "FAN_OPEN_EXEC_PERM",
        0x0010_0000: "FAN_PRE_ACCESS",
        0x0100_0000: "FAN_MNT_ATTACH",
        0x0200_0000: "FAN_MNT_DETACH",
        0x0800_0000: "FAN_EVENT_ON_CHILD",
        0x1000_0000: "FAN_RENAME",
        0x4000_0000: "FAN_ONDIR",
    }
)
"""Bits of a fanotify_mark(2) mask."""

INIT_CLASS_MASK: Final = 0x00C
"""The field of fanotify_init(2) flags that holds the notification class."""

INIT_CLASSES: Final = MappingProxyType(
    {
        0x000: "FAN_CLASS_NOTIF",
        0x004: "FAN_CLASS_CONTENT",
        0x008: "FAN_CLASS_PRE_CONTENT",
    }
)
"""Notification classes: an enumeration, in which 0x00C is refused."""

INIT_FLAGS: Final = MappingProxyType(
    {
        0x0001: "FAN_CLOEXEC",
        0x0002: "FAN_NONBLOCK",
        0x0010: "FAN_UNLIMITED_QUEUE",
        0x0020: "FAN_UNLIMITED_MARKS",
        0x0040: "FAN_ENABLE_AUDIT",
        0x0080: "FAN_REPORT_PIDFD",
        0x0100: "FAN_REPORT_TID",
        0x0200: "FAN_REPORT_FID",
        0x0400: "FAN_REPORT_DIR_FID",
        0x0800: "FAN_REPORT_NAME",
        0x1000: "FAN_REPORT_TARGET_FID",
        0x2000: "FAN_REPORT_FD_ERROR",
        0x4000: "FAN_REPORT_MNT",
    }
)
"""The other bits of fanotify_init(2) flags."""

INOTIFY_FLAGS: Final = MappingProxyType({0x00800: "IN_NONBLOCK", 0x80000: "IN_CLOEXEC"})
"""Bits of inotify_init1(2) flags."""

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

BLOCKING_MASK: Final = 0x0017_0000
"""Mask bits whose events make the process that caused them wait for an answer."""

FAN_UNLIMITED_MARKS: Final = 0x20
"""The fanotify_init(2) flag whose group's marks no limit counts."""

_KERNEL_ERRNOS: Final = MappingProxyType(
    {
        35: "EDEADLK",
        95: "EOPNOTSUPP",
        133: "EHWPOISON",
        512: "ERESTARTSYS",
        513: "ERESTARTNOINTR",
        514: "ERESTARTNOHAND",
        515: "ENOIOCTLCMD",
        516: "ERESTART_RESTARTBLOCK",
        517: "EPROBE_DEFER",
        518: "EOPENSTALE",
        519: "ENOPARAM",
        521: "EBADHANDLE",
        522: "ENOTSYNC",
        523: "EBADCOOKIE",
        524: "ENOTSUPP",
        525: "ETOOSMALL",
        526: "ESERVERFAULT",
        527: "EBADTYPE",
        528: "EJUKEBOX",
        529: "EIOCBQUEUED",
        530: "ERECALLCONFLICT",
        531: "ENOGRACE",
    }
)
"""
From 512 on include/linux/errno.h: seen by a probe, never by the caller. Before:
where Python knows another name, or none.
"""

_FLAG_FIELDS: Final = {
    **MARK_COMMANDS,
    **MARK_MODIFIERS,
    **{value: name for value, name in MARK_TYPES.items() if value},
}

_INIT_FLAG_FIELDS: Final = {
    **INIT_FLAGS,
    **{value: name for value, name in INIT_CLASSES.items() if value},
}

_MACHINE: Final = os.uname().machine


def bit_names(value: int, names: Mapping[int, str]) -> str:
    """
    Join the names of *value*'s bits with "|", lowest bit first.

    Bits without a name stay together as one last hex term; zero is "0".

    >>> bit_names(0x20 | 0x2000, MASK)
    'FAN_OPEN|0x2000'
    """
    terms = [names[bit] for bit in sorted(names) if value & bit == bit]
    rest = value & ~sum(bit for bit in names if value & bit)
    if rest or not terms:
        terms.append(f"{rest:#x}" if rest else "0")
    return "|".join(terms)


@lru_cache(maxsize=4096)
def mark_flag_names(flags: int) -> str:
    """
    Spell fanotify_mark(2) flags as strace does, with the type as an enumeration.

    >>> mark_flag_names(0x111)
    'FAN_MARK_ADD|FAN_MARK_MNTNS'
    """
    kind = flags & MARK_TYPE_MASK
    return bit_names(
        flags,
        {
            value: name
            for value, name in _FLAG_FIELDS.items()
            if not value & MARK_TYPE_MASK or value == kind
        },
    )


@lru_cache(maxsize=4096)
def mask_names(mask: int) -> str:
    """Spell a fanotify_mark(2) mask: 'FAN_OPEN|FAN_CLOSE_WRITE', '0', '0x2000'."""
    return bit_names(mask, MASK)


@lru_cache(maxsize=4096)
def mask_bit_names(mask: int) -> tuple[str, ...]:
    """
    Name each bit of *mask* on its own, lowest first; the unnamed ones are one term.

    One term, because any user may set all 64 bits: each would be a series.
    """
    names = tuple(MASK[bit] for bit in sorted(MASK) if mask & bit)
    rest = mask & ~sum(MASK)
    return (*names, f"{rest:#x}") if rest else names


@lru_cache(maxsize=4096)
def init_flag_names(flags: int) -> str:
    """Spell fanotify_init(2) flags: 'FAN_CLOEXEC|FAN_CLASS_CONTENT', '0', '0x8000'."""
    return bit_names(flags, _INIT_FLAG_FIELDS)


def init_class(flags: int) -> str:
    """Return 'notification', 'content', 'pre_content', or 'invalid' for both bits."""
    classes = {0x000: "notification", 0x004: "content", 0x008: "pre_content"}
    return classes.get(flags & INIT_CLASS_MASK, "invalid")


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


@lru_cache(maxsize=256)
def inotify_flag_names(flags: int) -> str:
    """Spell inotify_init1(2) flags: 'IN_CLOEXEC'; '0' is also inotify_init(2)'s."""
    return bit_names(flags, INOTIFY_FLAGS)


@lru_cache(maxsize=4096)
def mark_kind(flags: int) -> tuple[str, str]:
    """Return the action and the mark type that fanotify_mark(2) flags ask for."""
    return mark_action(flags), mark_type(flags)


def mark_action(flags: int) -> str:
    """Return 'add', 'remove', 'flush', or 'invalid' unless just one is asked for."""
    actions = {0x001: "add", 0x002: "remove", 0x080: "flush"}
    return actions.get(flags & sum(MARK_COMMANDS), "invalid")


def mark_type(flags: int) -> str:
    """Return 'inode', 'mount', 'filesystem' or 'mntns'."""
    return MARK_TYPES[flags & MARK_TYPE_MASK].removeprefix("FAN_MARK_").lower()


def errno_name(number: int) -> str:
    """Return the symbol of an errno ('EBADF'), or its digits if it has none."""
    return _KERNEL_ERRNOS.get(number) or _errno.errorcode.get(number) or str(number)


@lru_cache(maxsize=4096)
def comm_text(comm: bytes) -> str:
    r"""
    Make text of a thread name: any bytes in, printable and still distinct out.

    The name ends at its first NUL. What is not printable UTF-8 becomes ``\xNN``
    a byte, and a backslash becomes two, so different names never look alike.

    >>> comm_text(b"a\xff\\\x00\x00")
    'a\\xff\\\\'
    """
    text = comm.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
    return "".join(_printable(char) for char in text)


def _printable(char: str) -> str:
    if char == "\\":
        return "\\\\"
    if char.isprintable():
        return char
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))
