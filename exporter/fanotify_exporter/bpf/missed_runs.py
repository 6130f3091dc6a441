"""
BPF links between a program and a perf event: kprobes and tracepoints.

A link, unlike the ioctl that bcc uses, can tell how many calls a kretprobe missed
(bpf_link_info.perf_event, Linux 6.7). Kernels before 5.15 have no such links; there
the ioctl attaches.
"""

from __future__ import annotations

import ctypes
import struct

from fanotify_exporter.bpf.syscall import bpf


BPF_OBJ_GET_INFO_BY_FD = 15
MISSED_OFFSET = 48
"""Of perf_event.kprobe.missed in struct bpf_link_info, include/uapi/linux/bpf.h."""


def read_missed(link: int) -> int:
    """
    Return how many calls the probe behind *link* did not see.

    A kretprobe misses a call when all of its instances are in use by calls that have
    not returned yet (kretprobe.nmissed). 0 where the kernel has no figure.
    """
    info = ctypes.create_string_buffer(128)
    attr = struct.pack("=IIQ", link, len(info), ctypes.addressof(info))
    try:
        bpf(BPF_OBJ_GET_INFO_BY_FD, attr)
    except OSError:  # a perf event: kernels before 5.15
        return 0
    (missed,) = struct.unpack_from("=Q", info.raw, MISSED_OFFSET)
    return int(missed)
