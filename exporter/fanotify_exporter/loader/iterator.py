"""Load a task_file iterator, and let a first pass find the file operations."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Callable, Sequence
from contextlib import ExitStack
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


def make_fanotify_group() -> int:
    """
    Return a descriptor of a new group without marks.

    That takes CAP_SYS_ADMIN before Linux 5.13.

    Raises:
        OSError: the kernel refuses.
    """
    return _call("fanotify_init", FAN_CLOEXEC | FAN_REPORT_FID, os.O_RDONLY)


def make_inotify_instance() -> int:
    """
    Return a descriptor of a new inotify instance.

    Raises:
        OSError: the kernel refuses.
    """
    return _call("inotify_init1", os.O_CLOEXEC)


def load_iterator(
    bpf: Any, makers: Sequence[Callable[[], int]] = (make_fanotify_group,)
) -> tuple[int | None, str]:
    """
    Return a descriptor of the iterator's link and "", or None and why there is none.

    Args:
        bpf: bcc's object of sources with an iterator, whose maps file_operations and
            own_fds have an entry for each of *makers*.
        makers: make a descriptor of each kind that the iterator looks for.
    """
    link, reason = link_iterator(bpf, PROGRAM)
    if link is None:
        return None, reason
    try:
        _find_file_operations(bpf, link, makers)
    except OSError as error:
        os.close(link)
        return None, f"cannot make a first pass: {error}"
    return link, ""


def link_iterator(bpf: Any, program: bytes) -> tuple[int | None, str]:
    """Return a descriptor of the link of *program* and "", or None and the error."""
    with captured_stderr() as summarize:
        try:
            loaded = bpf.load_func(program, BPF_PROG_TYPE_TRACING).fd
            attr = struct.pack("=IIII16x", loaded, 0, BPF_TRACE_ITER, 0)
            return bpf_command(BPF_LINK_CREATE, attr), ""
        except Exception as error:  # noqa: BLE001  bcc raises nothing narrower
            return None, summarize() or str(error)


def _find_file_operations(
    bpf: Any, link: int, makers: Sequence[Callable[[], int]]
) -> None:
    """
    Show the first pass a descriptor of this process by each of *makers*.

    Raises:
        OSError: the kernel makes no descriptor or no pass, or the pass found nothing.
    """
    with ExitStack() as stack:
        for kind, make in enumerate(makers):
            descriptor = make()
            stack.callback(os.close, descriptor)
            bpf[b"own_fds"][ctypes.c_int(kind)] = ctypes.c_uint64(descriptor)
        read_pass(link)
    for kind in range(len(makers)):
        if not bpf[b"file_operations"][ctypes.c_int(kind)].value:
            raise OSError("the iterator did not find this process's own descriptors")


def _call(name: str, *arguments: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result: int = getattr(libc, name)(*arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result
