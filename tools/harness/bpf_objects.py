"""BPF programs and maps as the kernel tells of them: /proc and bpf(2)."""

from __future__ import annotations

import ctypes
import os
import re
import struct
from contextlib import suppress
from pathlib import Path


SYS_BPF = {"x86_64": 321, "aarch64": 280}
GET_FD_BY_ID = {"prog_id": 13, "map_id": 14}  # enum bpf_cmd

Object = tuple[str, int]
"""A kind, as fdinfo calls it, and an id."""


def held_by(pid: int) -> set[Object]:
    """Return the programs and maps that *pid* has descriptors of."""
    held: set[Object] = set()
    for fdinfo in Path(f"/proc/{pid}/fdinfo").iterdir():
        with suppress(FileNotFoundError):  # it opens and closes others meanwhile
            found = re.findall(
                r"^(prog_id|map_id):\s*(\d+)$", fdinfo.read_text(), re.MULTILINE
            )
            held |= {(kind, int(number)) for kind, number in found}
    return held


def still_there(objects: set[Object]) -> set[Object]:
    """Return those of *objects* that the kernel still has."""
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
