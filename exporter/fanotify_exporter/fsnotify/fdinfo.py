"""
Parser of a fanotify group's fdinfo: the group's flags, and its marks by type.

fs/notify/fdinfo.c writes one line for the group and one for each mark, since
Linux 3.8 (mnt_ns since 6.15; fhandle and the fields after fhandle are left out
here)::

    fanotify flags:7 event-flags:8000
    fanotify ino:265 sdev:fe00000 mflags:0 mask:20 ignored_mask:0 fhandle-...
    fanotify mnt_id:1b mflags:0 mask:10020 ignored_mask:0
    fanotify sdev:fe00000 mflags:0 mask:40000020 ignored_mask:0
    fanotify mnt_ns:4026531832 mflags:0 mask:1000000 ignored_mask:0

A mark that only ignores events has mask 0 and is counted as a mark. mflags mixes
uapi bits with the kernel's own, and no metric uses mflags. An inode mark whose inode
is being freed has no line.

mnt_id is the mount's id in mountinfo, in hexadecimal. sdev is the superblock's s_dev,
in the kernel's encoding (MKDEV in include/linux/kdev_t.h): major << 20 | minor.
mountinfo has the same device. stat(2) has another in a btrfs subvolume, for example.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from types import MappingProxyType
from typing import Final

from fanotify_exporter.fsnotify.model import Group, Marks, WideMarks
from fanotify_exporter.uapi.fanotify import (
    BLOCKING_MASK,
    INIT_CLASS_MASK,
    NO_EVENT_MASK,
)


# The mark type of a line that begins with "fanotify" and has another form.
UNKNOWN: Final = "unknown"

# The mark type by the first key of the line.
MARK_TYPES: Final = MappingProxyType(
    {
        b"ino": "inode",
        b"mnt_id": "mount",
        b"sdev": "filesystem",
        b"mnt_ns": "mntns",
        b"mnt_ns_id": "mntns",  # proposed on linux-fsdevel in 2026 to replace mnt_ns
    }
)

LINE: Final = re.compile(rb"\nfanotify (\w*)(?::\w+ (?:\w+:\w+ )*?mask:([0-9a-f]+)\b)?")
GROUP_LINE: Final = re.compile(rb"\nfanotify flags:([0-9a-f]+) ")
WIDE_MARK: Final = re.compile(
    rb"\nfanotify (mnt_id|sdev):([0-9a-f]{1,8}) (?:\w+:\w+ )*?mask:([0-9a-f]{1,8})\b"
)

# Mounts, and filesystems, of a group that are kept: 3 MB at most. The limit of a mount
# namespace is 100,000 mounts (fs.mount-max).
MAX_WIDE_MARKS: Final = 20_000


def parse_fdinfo(
    chunks: Iterable[bytes], *, is_privileged: bool = False
) -> Group | None:
    """
    Return the group that *chunks* of whole lines describe, or None without a group.

    At most one chunk is in memory. A line that begins with "fanotify" and cannot be
    parsed counts as a mark of UNKNOWN type, which blocks if its mask says so.

    Args:
        chunks: the text of the fdinfo.
        is_privileged: whether the owner has CAP_SYS_ADMIN in the initial user
            namespace. Without, the group has wide marks only if its class can block,
            which takes that capability too: since Linux 6.16 (58f5fbeb367f) any user
            can mark the mounts of an own user namespace.
    """
    flags: int | None = None
    kinds: Counter[tuple[str, bool]] = Counter()
    wide = _WideMarks()
    for chunk in chunks:
        lines = b"\n" + chunk
        if flags is None and (found := GROUP_LINE.search(lines)):
            flags = int(found[1], 16)
        for (key, mask), count in Counter(LINE.findall(lines)).items():
            if key != b"flags":
                kinds[_type_and_blocking(key, mask)] += count
        if is_privileged or (flags or 0) & INIT_CLASS_MASK:
            wide.add(lines)
    if flags is None:
        return None
    marks = tuple(Marks(*kind, kinds[kind]) for kind in sorted(kinds))
    return Group(flags, marks, *wide.result())


class _WideMarks:
    """The wide marks of a group, while its fdinfo is read."""

    def __init__(self) -> None:
        self._all: dict[bytes, set[int]] = {b"mnt_id": set(), b"sdev": set()}
        self._blocking: dict[bytes, set[int]] = {b"mnt_id": set(), b"sdev": set()}

    def add(self, lines: bytes) -> None:
        for key, number, mask in WIDE_MARK.findall(lines):
            events = int(mask, 16) & ~NO_EVENT_MASK
            if events and len(self._all[key]) < MAX_WIDE_MARKS:
                self._all[key].add(int(number, 16))
                if events & BLOCKING_MASK:
                    self._blocking[key].add(int(number, 16))

    def result(self) -> tuple[WideMarks, WideMarks]:
        """Return all, and the blocking ones."""
        every, blocking = (
            WideMarks(frozenset(found[b"mnt_id"]), frozenset(found[b"sdev"]))
            for found in (self._all, self._blocking)
        )
        return every, every if blocking == every else blocking


def _type_and_blocking(key: bytes, mask: bytes) -> tuple[str, bool]:
    mark_type = MARK_TYPES.get(key, UNKNOWN) if mask else UNKNOWN
    return mark_type, bool(int(mask or b"0", 16) & BLOCKING_MASK)
