"""
BPF links between a program and a perf event: kprobes and tracepoints.

A link, unlike the ioctl that bcc uses, can tell how many calls a kretprobe missed
(bpf_link_info.perf_event, Linux 6.7). Kernels before 5.15 have no such links; there
the ioctl attaches.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
from pathlib import Path

from fanotify_exporter.bpf.syscall import bpf
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader.tracefs import TRACEFS
from fanotify_exporter.system.syscalls import syscall


PERF_TYPE_TRACEPOINT = 2
CLOEXEC = 8
PERF_ATTR_SIZE_VER1 = 72
PERF_EVENT_IOC_SET_BPF = 0x4004_2408
PERF_EVENT_IOC_ENABLE = 0x2400
BPF_LINK_CREATE = 28
BPF_PERF_EVENT = 41

KPROBE = Path("/sys/bus/event_source/devices/kprobe")


def require_kprobes() -> None:
    """
    Look for the kernel's kprobes.

    Raises:
        LoadError: it has none.
    """
    if not KPROBE.exists():
        raise LoadError(f"this kernel has no kprobes: {KPROBE} does not exist")


def link_kretprobe(program: int, function: str) -> int:
    """
    Run *program* whenever the kernel's *function* returns, on every CPU.

    Returns the descriptor that keeps it so.

    Raises:
        OSError: the kernel refuses.
    """
    kind = int((KPROBE / "type").read_text())
    bit = int((KPROBE / "format/retprobe").read_text().partition(":")[2])
    name = ctypes.create_string_buffer(function.encode())
    return _link(program, _perf_event(kind, 1 << bit, ctypes.addressof(name)))


def link_tracepoint(program: int, event: str) -> int:
    """
    Run *program* at *event* ("syscalls:sys_exit_fanotify_mark"), on every CPU.

    Returns the descriptor that keeps it so.

    Raises:
        OSError: tracefs lacks the event, or the kernel refuses.
    """
    number = int((TRACEFS / "events" / event.replace(":", "/") / "id").read_text())
    return _link(program, _perf_event(PERF_TYPE_TRACEPOINT, number, 0))


def _perf_event(kind: int, config: int, config1: int) -> int:
    """
    Open an event of every process (struct perf_event_attr, perf_event_open(2)).

    It is of CPU 0 only, but a program on a probe runs on all.
    """
    attr = struct.pack("=IIQ40xQ8x", kind, PERF_ATTR_SIZE_VER1, config, config1)
    return syscall("perf_event_open", attr, -1, 0, -1, CLOEXEC)


def _link(program: int, event: int) -> int:
    """Attach *program* to *event*; the event lives on in what is returned."""
    attr = struct.pack("=IIII", program, event, BPF_PERF_EVENT, 0)
    try:
        link = bpf(BPF_LINK_CREATE, attr)
    except OSError:
        fcntl.ioctl(event, PERF_EVENT_IOC_SET_BPF, program)
        link = event
    fcntl.ioctl(event, PERF_EVENT_IOC_ENABLE, 0)
    if link != event:
        os.close(event)
    return link
