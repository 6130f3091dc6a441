"""Load the task iterator over threads that are inside fanotify_mark(2)."""

from __future__ import annotations

import ctypes
import os
from typing import Any, Final

from fanotify_exporter.bpf.iterator import create_pass
from fanotify_exporter.loader.btf import Btf, BtfError
from fanotify_exporter.loader.compile import compat_word_offset
from fanotify_exporter.loader.iterator import link_iterator


SOURCE: Final = "fsnotify/mark_calls"

PROGRAM: Final = b"bpf_iter__task"

# Bytes that the first pass asks for. No other read of a thread with the number of the
# pass's descriptor has this length.
READ_LENGTH: Final = 31_337

_OFFSETS: Final = {
    "TASK_STACK": ("task_struct", "stack"),
    "TASK_NVCSW": ("task_struct", "nvcsw"),
    "TASK_NIVCSW": ("task_struct", "nivcsw"),
    "TASK_ON_CPU": ("task_struct", "on_cpu"),
}


def read_call_offsets(btf: Btf) -> dict[str, int]:
    """
    Return the macros that only this iterator needs, in bytes.

    Raises:
        BtfError: the BTF lacks a name; the text has the name.
    """
    offsets = {name: btf.offset(*member) for name, member in _OFFSETS.items()}
    return offsets | {
        "TASK_STATE": _state_offset(btf),
        "PT_REGS_SIZE": btf.size("pt_regs"),
        "COMPAT_WORD_OFFSET": compat_word_offset(),
    }


def _state_offset(btf: Btf) -> int:
    """Return the offset of a thread's state, which 5.14 renamed (2f064a59a11f)."""
    try:
        return btf.offset("task_struct", "__state")
    except BtfError:
        return btf.offset("task_struct", "state")


def load_call_iterator(bpf: Any) -> tuple[int | None, str]:
    """
    Return a descriptor of the iterator's link and "", or None and why there is none.

    The first pass finds where the kernel saves the registers of a thread: those of
    this process have the arguments of the read(2) that makes the pass.

    Args:
        bpf: bcc's object of SOURCE.
    """
    link, reason = link_iterator(bpf, PROGRAM)
    if link is None:
        return None, reason
    try:
        _find_registers(bpf, link)
    except OSError as error:
        os.close(link)
        return None, f"cannot make a first pass: {error}"
    return link, ""


def _find_registers(bpf: Any, link: int) -> None:
    """
    Make the first pass.

    Raises:
        OSError: the kernel makes no pass, or the pass found no registers.
    """
    descriptor = create_pass(link)
    try:
        own = bpf[b"own_read"]
        own[ctypes.c_int(0)] = own.Leaf(descriptor, READ_LENGTH)
        while os.read(descriptor, READ_LENGTH):
            pass
    finally:
        os.close(descriptor)
    if not bpf[b"registers_at"][ctypes.c_int(0)].value:
        raise OSError("the iterator did not find the registers of this process")
