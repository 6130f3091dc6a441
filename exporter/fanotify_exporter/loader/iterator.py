"""Load the task_file iterator, and let a first pass find fanotify's file operations."""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Any

from fanotify_exporter.bpf.iterator import read_pass
from fanotify_exporter.bpf.syscall import bpf as bpf_command
from fanotify_exporter.loader.diagnostics import captured_stderr
from fanotify_exporter.uapi.fanotify import FAN_CLOEXEC, FAN_REPORT_FID


# include/uapi/linux/bpf.h: a command, a program type, and an attach type
BPF_LINK_CREATE = 28
BPF_PROG_TYPE_TRACING = 26
BPF_TRACE_ITER = 28

PROGRAM = b"bpf_iter__task_file"


def load_iterator(bpf: Any) -> tuple[int | None, str]:
    """
    Return a descriptor of the iterator's link and "", or None and why there is none.

    *bpf* is bcc's object of sources with bpf/permission/iterator.bpf.c.
    """
    with captured_stderr() as summarize:
        try:
            program = bpf.load_func(PROGRAM, BPF_PROG_TYPE_TRACING).fd
            attr = struct.pack("=IIII16x", program, 0, BPF_TRACE_ITER, 0)
            link = bpf_command(BPF_LINK_CREATE, attr)
        except Exception as error:  # noqa: BLE001  bcc raises nothing narrower
            return None, summarize() or str(error)
    try:
        _find_file_operations(bpf[b"fanotify_file"], link)
    except OSError as error:
        os.close(link)
        return None, f"cannot make a first pass: {error}"
    return link, ""


def _find_file_operations(table: Any, link: int) -> None:
    """
    Show the first pass a fanotify descriptor of this process.

    Raises:
        OSError: the kernel makes no group or no pass, or the pass found nothing.
    """
    group = _make_group()
    try:
        table[ctypes.c_int(1)] = ctypes.c_uint64(group)
        read_pass(link)
    finally:
        os.close(group)
    if not table[ctypes.c_int(0)].value:
        raise OSError("the iterator did not find this process's own group")


def _make_group() -> int:
    """
    Return a descriptor of a new group without marks.

    That takes CAP_SYS_ADMIN before Linux 5.13.

    Raises:
        OSError: the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    group: int = libc.fanotify_init(FAN_CLOEXEC | FAN_REPORT_FID, os.O_RDONLY)
    if group < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"fanotify_init: {os.strerror(number)}")
    return group
