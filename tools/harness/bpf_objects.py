"""BPF programs and maps of a process, from /proc and bpf(2)."""

from __future__ import annotations

import ctypes
import os
import re
import struct
from contextlib import suppress
from pathlib import Path


SYS_BPF = {"x86_64": 321, "aarch64": 280}
# enum bpf_cmd in include/uapi/linux/bpf.h: BPF_PROG_GET_FD_BY_ID, BPF_MAP_GET_FD_BY_ID.
GET_FD_BY_ID = {"prog_id": 13, "map_id": 14}

# The key in fdinfo, prog_id or map_id, and the id.
Object = tuple[str, int]


def held_by(pid: int) -> set[Object]:
    """Return the programs and maps for which process *pid* has descriptors."""
    held: set[Object] = set()
    for fdinfo in Path(f"/proc/{pid}/fdinfo").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found = re.findall(
                r"^(prog_id|map_id):\s*(\d+)$", fdinfo.read_text(), re.MULTILINE
            )
            held |= {(kind, int(number)) for kind, number in found}
    return held


def still_there(objects: set[Object]) -> set[Object]:
    """Return the subset of *objects* that still exists in the kernel."""
    return {each for each in objects if _exists(*each)}


def _exists(kind: str, number: int) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    attributes = struct.pack("=III", number, 0, 0)
    command = GET_FD_BY_ID[kind]
    descriptor = libc.syscall(
        SYS_BPF[os.uname().machine], command, attributes, len(attributes)
    )
    if descriptor < 0:
        code = ctypes.get_errno()
        if code == 2:  # ENOENT
            return False
        raise OSError(code, os.strerror(code))
    os.close(descriptor)
    return True
