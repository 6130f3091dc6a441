r"""
The mounts of a mount namespace, from /proc/PID/mountinfo.

show_mountinfo() in fs/proc_namespace.c writes one line for each mount that the root of
the process reaches. Between the sixth field and "-" are any number of optional fields::

    36 35 98:0 /sub /mnt/a\040b rw,noatime shared:1 master:7 - ext4 /dev/sda rw,errors=x

The fields are the id of the mount, the id of its parent, major:minor of the superblock
(s_dev, which all subvolumes of a btrfs share), the root of the mount in its filesystem,
the mount point, options, then the type, the source and options of the filesystem.

Any user may read the file. Reading takes the kernel's lock of all mounts
(namespace_sem) for each 4 KiB, and waits while a mount or an unmount holds the lock.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from fanotify_exporter.procfs import PROC


# A line is read up to this length. What the parser needs is shorter: two paths of 4,096
# bytes, of which each may be escaped with four.
MAX_LINE_BYTES: Final = 65_536

# Minor numbers have 20 bits in the kernel: MINORBITS in include/linux/kdev_t.h.
MINOR_BITS: Final = 20

HEAD: Final = re.compile(
    rb"(\d{1,10}) (\d{1,10}) (\d{1,4}):(\d{1,7}) \S+ (\S+) \S+(?: \S+)*"
)
ESCAPED: Final = re.compile(rb"\\([0-3][0-7]{2})")


@dataclass(frozen=True, slots=True)
class Mount:
    """
    A mount.

    Attributes:
        mount_id: id of the mount. At one time, no two mounts of all mount namespaces
            have the same id.
        parent_id: id of the mount that this mount is on.
        device: s_dev of the filesystem in the kernel's encoding, as in fdinfo:
            major << 20 | minor.
        fstype: type of the filesystem, without the subtype that a FUSE filesystem
            gives itself: "fuse" for "fuse.sshfs".
        mount_point: path from the root of the process; any bytes.
    """

    mount_id: int
    parent_id: int
    device: int
    fstype: bytes
    mount_point: bytes


def read_mounts(proc: Path = PROC, pid: int = 1) -> Iterator[Mount]:
    """
    Yield the mounts of the mount namespace of process *pid*.

    A line that cannot be parsed is left out. While mounts come and go, the kernel may
    leave out a mount that exists.

    Raises:
        OSError: *proc* has no such process.
    """
    path = proc / str(pid) / "mountinfo"
    with path.open("rb", buffering=MAX_LINE_BYTES) as file:
        for line in iter(partial(file.readline, MAX_LINE_BYTES), b""):
            mount = parse_mount(line)
            if mount:
                yield mount


def parse_mount(line: bytes) -> Mount | None:
    """Return the mount of a *line* of mountinfo, None if the line has another form."""
    head, separator, filesystem = line.partition(b" - ")
    fields = HEAD.fullmatch(head)
    fstype = filesystem.split(b" ", 1)[0].split(b".", 1)[0].rstrip(b"\n")
    if not (fields and separator and fstype):
        return None
    mount_id, parent_id, major, minor, mount_point = fields.groups()
    return Mount(
        int(mount_id),
        int(parent_id),
        int(major) << MINOR_BITS | int(minor),
        _unescape(fstype),
        _unescape(mount_point),
    )


def _unescape(text: bytes) -> bytes:
    r"""
    Return *text* without escapes.

    The kernel writes a space, a tab, a newline and a backslash as ``\ooo``.
    """
    return ESCAPED.sub(lambda found: bytes((int(found[1], 8),)), text)
