"""
Names of fanotify's flags, masks, commands and types.

Tables: include/uapi/linux/fanotify.h of Linux 6.18. To name a new kernel flag, add the
flag to its table here and to the copy in tests/unit/uapi/test_fanotify.py, add a fact
to tools/docs/uapi_facts.py, and run `make docs`.
"""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType
from typing import Final

from fanotify_exporter.uapi.bits import bit_names


# The numbers of fanotify_mark(2) by machine: native, and of 32-bit programs.
MARK_NUMBERS: Final = MappingProxyType({"x86_64": (301, 339), "aarch64": (263, 368)})

# Commands in fanotify_mark(2) flags. The kernel accepts exactly one in a call.
MARK_COMMANDS: Final = MappingProxyType(
    {
        0x001: "FAN_MARK_ADD",
        0x002: "FAN_MARK_REMOVE",
        0x080: "FAN_MARK_FLUSH",
    }
)

# The bits of fanotify_mark(2) flags that hold the mark type.
MARK_TYPE_MASK: Final = 0x110

# Mark types are an enumeration: 0x110 does not mean mount and filesystem.
MARK_TYPES: Final = MappingProxyType(
    {
        0x000: "FAN_MARK_INODE",
        0x010: "FAN_MARK_MOUNT",
        0x100: "FAN_MARK_FILESYSTEM",
        0x110: "FAN_MARK_MNTNS",
    }
)

# The other bits of fanotify_mark(2) flags.
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

# Bits of a fanotify_mark(2) mask.
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

# The bits of a fanotify_mark(2) mask without a name. The mask has 64 bits.
UNNAMED_MASK: Final = (1 << 64) - 1 - sum(MASK)

# The bits of fanotify_init(2) flags that hold the notification class.
INIT_CLASS_MASK: Final = 0x00C

# Notification classes are an enumeration. The kernel refuses 0x00C.
INIT_CLASSES: Final = MappingProxyType(
    {
        0x000: "FAN_CLASS_NOTIF",
        0x004: "FAN_CLASS_CONTENT",
        0x008: "FAN_CLASS_PRE_CONTENT",
    }
)

# The other bits of fanotify_init(2) flags.
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

# Mask bits of permission events: the process that causes one waits for the listener's
# answer; FANOTIFY_PERM_EVENTS in include/linux/fanotify.h.
BLOCKING_MASK: Final = 0x0017_0000

# Mask bits that are no events: FAN_EVENT_ON_CHILD and FAN_ONDIR say of which files and
# folders the mark wants the events.
NO_EVENT_MASK: Final = 0x4800_0000

# The fanotify_init(2) flag that closes the group's descriptor on exec.
FAN_CLOEXEC: Final = 0x1

# The fanotify_init(2) flag with which the kernel gives a group to every user, since
# Linux 5.13 (7cea2a3c505e).
FAN_REPORT_FID: Final = 0x200

# The fanotify_init(2) flag that exempts a group's marks from max_user_marks.
FAN_UNLIMITED_MARKS: Final = 0x20

_FLAG_FIELDS: Final = {
    **MARK_COMMANDS,
    **MARK_MODIFIERS,
    **{value: name for value, name in MARK_TYPES.items() if value},
}

_INIT_FLAG_FIELDS: Final = {
    **INIT_FLAGS,
    **{value: name for value, name in INIT_CLASSES.items() if value},
}


@lru_cache(maxsize=4096)
def mark_flag_names(flags: int) -> str:
    """
    Return the names of fanotify_mark(2) flags as strace prints them.

    The mark type is one name.

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
    """
    Return the names of the bits of a fanotify_mark(2) mask.

    >>> mask_names(0x28)
    'FAN_CLOSE_WRITE|FAN_OPEN'
    """
    return bit_names(mask, MASK)


@lru_cache(maxsize=4096)
def init_flag_names(flags: int) -> str:
    """
    Return the names of fanotify_init(2) flags and of the notification class.

    FAN_CLASS_NOTIF is 0 and does not show.

    >>> init_flag_names(0x5)
    'FAN_CLOEXEC|FAN_CLASS_CONTENT'
    """
    return bit_names(flags, _INIT_FLAG_FIELDS)


def init_class(flags: int) -> str:
    """Return 'notification', 'content', 'pre_content', or 'invalid' for 0x00C."""
    classes = {0x000: "notification", 0x004: "content", 0x008: "pre_content"}
    return classes.get(flags & INIT_CLASS_MASK, "invalid")


@lru_cache(maxsize=4096)
def mark_kind(flags: int) -> tuple[str, str]:
    """Return the action and the mark type of fanotify_mark(2) flags."""
    return mark_action(flags), mark_type(flags)


def mark_action(flags: int) -> str:
    """Return 'add', 'remove', 'flush', or 'invalid' for none or several commands."""
    name = MARK_COMMANDS.get(flags & sum(MARK_COMMANDS), "invalid")
    return name.removeprefix("FAN_MARK_").lower()


def mark_type(flags: int) -> str:
    """Return 'inode', 'mount', 'filesystem' or 'mntns' for fanotify_mark(2) flags."""
    return MARK_TYPES[flags & MARK_TYPE_MASK].removeprefix("FAN_MARK_").lower()
