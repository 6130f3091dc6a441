"""The commands of bpf(2) that need no bcc: pins, and a map for plain bytes."""

from __future__ import annotations

import ctypes
import os
import resource
import struct
from contextlib import suppress
from pathlib import Path

from fanotify_exporter.system.syscalls import syscall


# include/uapi/linux/bpf.h: commands, a map type and a map flag
BPF_MAP_CREATE = 0
BPF_OBJ_PIN = 6
BPF_OBJ_GET = 7
BPF_MAP_TYPE_ARRAY = 2
BPF_F_MMAPABLE = 0x400


def bpf(command: int, attr: bytes) -> int:
    """
    Give *command* to the BPF subsystem, with the bytes of its union bpf_attr.

    Raises:
        OSError: the kernel refuses.
    """
    return syscall("bpf", command, attr, len(attr))


def create_shared_array(size: int) -> int:
    """Create an array map of one entry of *size* bytes; return its descriptor."""
    # Before Linux 5.11 all maps of a user count against RLIMIT_MEMLOCK. bcc raises the
    # limit too, in the process that loads the programs.
    with suppress(OSError, ValueError):
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.setrlimit(resource.RLIMIT_MEMLOCK, unlimited)
    attr = struct.pack("=IIIII", BPF_MAP_TYPE_ARRAY, 4, size, 1, BPF_F_MMAPABLE)
    return bpf(BPF_MAP_CREATE, attr)


def pin(path: Path, fd: int) -> None:
    """Pin the map, program or link of *fd* at *path* in a bpffs."""
    name = ctypes.create_string_buffer(os.fsencode(path))
    bpf(BPF_OBJ_PIN, struct.pack("=QII", ctypes.addressof(name), fd, 0))


def get_pinned(path: Path) -> int:
    """Return a descriptor of the object that is pinned at *path*."""
    name = ctypes.create_string_buffer(os.fsencode(path))
    return bpf(BPF_OBJ_GET, struct.pack("=QII", ctypes.addressof(name), 0, 0))
