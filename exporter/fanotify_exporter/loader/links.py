"""
Attach programs to kprobes and tracepoints, by BPF links.

bcc attaches to perf events by ioctl(2), and one program to a raw tracepoint. A BPF link
can also report how many calls a kretprobe missed (bpf_link_info.perf_event, Linux 6.7).
Kernels before 5.15 have no links for perf events, and there this module uses the ioctl
as well.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
from pathlib import Path

from fanotify_exporter.bpf.syscall import bpf
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader.diagnostics import advise
from fanotify_exporter.loader.tracefs import TRACEFS
from fanotify_exporter.system.syscalls import syscall


# include/uapi/linux/perf_event.h
PERF_TYPE_TRACEPOINT = 2
PERF_FLAG_FD_CLOEXEC = 8
PERF_ATTR_SIZE_VER1 = 72
PERF_EVENT_IOC_SET_BPF = 0x4004_2408
PERF_EVENT_IOC_ENABLE = 0x2400

# include/uapi/linux/bpf.h: commands, and a value of enum bpf_attach_type
BPF_RAW_TRACEPOINT_OPEN = 17
BPF_LINK_CREATE = 28
BPF_PERF_EVENT = 41

# The kernel's description of the kprobe perf event, since 4.17.
KPROBE = Path("/sys/bus/event_source/devices/kprobe")


def require_kprobes() -> None:
    """
    Check that the kernel has kprobes.

    Raises:
        LoadError: the kernel has none.
    """
    if not KPROBE.exists():
        raise LoadError(f"this kernel has no kprobes: {KPROBE} does not exist")


def try_kprobe(function: str) -> None:
    """
    Make a kprobe on the kernel's *function* for a moment, without a program.

    A kernel that refuses this refuses every kprobe, and so no program need be compiled.

    Raises:
        LoadError: the kernel refuses.
    """
    try:
        os.close(_open_kprobe(function, at_return=False))
    except OSError as error:
        raise LoadError(str(error), advise()) from error


def link_kprobe(program: int, function: str, *, at_return: bool) -> int:
    """
    Run *program* whenever the kernel's *function* is entered or returns, on every CPU.

    Returns a descriptor. The program stays attached while the descriptor is open.

    Raises:
        OSError: the kernel refuses.
    """
    return _link(program, _open_kprobe(function, at_return=at_return))


def _open_kprobe(function: str, *, at_return: bool) -> int:
    """
    Return a perf event for entries or returns of *function*.

    Raises:
        OSError: the kernel refuses.
    """
    event_type = int((KPROBE / "type").read_text())
    retprobe_bit = int((KPROBE / "format/retprobe").read_text().partition(":")[2])
    name = ctypes.create_string_buffer(function.encode())
    config = at_return << retprobe_bit
    return _open_event(event_type, config, ctypes.addressof(name))


def link_tracepoint(program: int, tracepoint: str) -> int:
    """
    Run *program* at *tracepoint* ("syscalls:sys_exit_fanotify_mark"), on every CPU.

    Returns a descriptor. The program stays attached while the descriptor is open.

    Raises:
        OSError: tracefs lacks the tracepoint, or the kernel refuses.
    """
    path = TRACEFS / "events" / tracepoint.replace(":", "/") / "id"
    return _link(program, _open_event(PERF_TYPE_TRACEPOINT, int(path.read_text()), 0))


def link_raw_tracepoint(program: int, name: str) -> int:
    """
    Run *program* at the raw tracepoint *name*, after the programs that are there.

    Returns a descriptor. The program stays attached while the descriptor is open.

    Raises:
        OSError: the kernel has no such tracepoint, or refuses.
    """
    text = ctypes.create_string_buffer(name.encode())
    attr = struct.pack("=QI4x", ctypes.addressof(text), program)
    return bpf(BPF_RAW_TRACEPOINT_OPEN, attr)


def _open_event(event_type: int, config: int, config1: int) -> int:
    """
    Return a perf event of every process (struct perf_event_attr, perf_event_open(2)).

    The event is for CPU 0, but the kernel runs a program on the probe on every CPU.
    """
    attr = struct.pack("=IIQ40xQ8x", event_type, PERF_ATTR_SIZE_VER1, config, config1)
    return syscall("perf_event_open", attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC)


def _link(program: int, event: int) -> int:
    """Attach *program* to *event*; return the link, or *event* before Linux 5.15."""
    attr = struct.pack("=IIII", program, event, BPF_PERF_EVENT, 0)
    try:
        link = bpf(BPF_LINK_CREATE, attr)
    except OSError:
        fcntl.ioctl(event, PERF_EVENT_IOC_SET_BPF, program)
        link = event
    fcntl.ioctl(event, PERF_EVENT_IOC_ENABLE, 0)
    if link != event:
        os.close(event)  # the link keeps the event alive
    return link
