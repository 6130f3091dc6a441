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
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from types import MappingProxyType
from typing import Final

from fanotify_exporter.fsnotify.model import Group, Marks
from fanotify_exporter.uapi.fanotify import BLOCKING_MASK


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


def parse_fdinfo(chunks: Iterable[bytes]) -> Group | None:
    """
    Return the group that *chunks* of whole lines describe, or None without a group.

    At most one chunk is in memory. A line that begins with "fanotify" and cannot be
    parsed counts as a mark of UNKNOWN type, which blocks if its mask says so.
    """
    flags: int | None = None
    kinds: Counter[tuple[str, bool]] = Counter()
    for chunk in chunks:
        lines = b"\n" + chunk
        if flags is None and (found := GROUP_LINE.search(lines)):
            flags = int(found[1], 16)
        for (key, mask), count in Counter(LINE.findall(lines)).items():
            if key != b"flags":
                kinds[_type_and_blocking(key, mask)] += count
    if flags is None:
        return None
    return Group(flags, tuple(Marks(*kind, kinds[kind]) for kind in sorted(kinds)))


def _type_and_blocking(key: bytes, mask: bytes) -> tuple[str, bool]:
    mark_type = MARK_TYPES.get(key, UNKNOWN) if mask else UNKNOWN
    return mark_type, bool(int(mask or b"0", 16) & BLOCKING_MASK)
