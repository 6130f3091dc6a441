"""
The fdinfo of a fanotify group, in; its flags and its marks, counted, out.

fs/notify/fdinfo.c writes one line for the group and one for each mark, since
Linux 3.8 (mnt_ns since 6.15; fhandle and what follows it is left out here)::

    fanotify flags:7 event-flags:8000
    fanotify ino:265 sdev:fe00000 mflags:0 mask:20 ignored_mask:0 fhandle-...
    fanotify mnt_id:1b mflags:0 mask:10020 ignored_mask:0
    fanotify sdev:fe00000 mflags:0 mask:40000020 ignored_mask:0
    fanotify mnt_ns:4026531832 mflags:0 mask:1000000 ignored_mask:0

A mark that only ignores has mask 0 and is a mark. mflags mixes uapi bits with
the kernel's own and says nothing that is counted here. An inode mark whose
inode is being freed has no line.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from types import MappingProxyType
from typing import Final

from fanotify_exporter.fsnotify.model import Group, Marks
from fanotify_exporter.uapi.fanotify import BLOCKING_MASK


UNKNOWN: Final = "unknown"
"""The mark type of a line that is some mark's, but not in a form known here."""

MARK_TYPES: Final = MappingProxyType(
    {
        b"ino": "inode",
        b"mnt_id": "mount",
        b"sdev": "filesystem",
        b"mnt_ns": "mntns",
        b"mnt_ns_id": "mntns",  # proposed in 2026 in the place of mnt_ns
    }
)
"""What is marked, by the first key of the line."""

_LINE = re.compile(rb"\nfanotify (\w*)(?::\w+ (?:\w+:\w+ )*?mask:([0-9a-f]+)\b)?")
_GROUP = re.compile(rb"\nfanotify flags:([0-9a-f]+) ")


def parse_fdinfo(chunks: Iterable[bytes]) -> Group | None:
    """
    Count the marks in *chunks* of whole lines; None if it is no fanotify group's.

    No more than one chunk is held. A line that says fanotify and cannot be read
    is some mark all the same, of UNKNOWN type, and blocking if its mask says so.
    """
    flags: int | None = None
    kinds: Counter[tuple[str, bool]] = Counter()
    for chunk in chunks:
        lines = b"\n" + chunk
        if flags is None and (found := _GROUP.search(lines)):
            flags = int(found[1], 16)
        for (key, mask), count in Counter(_LINE.findall(lines)).items():
            if key != b"flags":
                kinds[_kind(key, mask)] += count
    if flags is None:
        return None
    return Group(flags, tuple(Marks(*kind, kinds[kind]) for kind in sorted(kinds)))


def _kind(key: bytes, mask: bytes) -> tuple[str, bool]:
    mark_type = MARK_TYPES.get(key, UNKNOWN) if mask else UNKNOWN
    return mark_type, bool(int(mask or b"0", 16) & BLOCKING_MASK)
