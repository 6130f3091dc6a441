"""Passes of a BPF iterator."""

from __future__ import annotations

import os
import struct

from fanotify_exporter.bpf.syscall import bpf


# include/uapi/linux/bpf.h
BPF_ITER_CREATE = 33

# The kernel's buffer of a pass has 8 pages (bpf_seq_read() in kernel/bpf/bpf_iter.c).
_READ_BYTES = 1 << 15


def read_pass(link: int) -> bytes:
    """
    Run the iterator of *link* once; return all that its program wrote.

    Raises:
        OSError: the kernel refuses: before Linux 5.19 a pass needs CAP_BPF.
    """
    descriptor = bpf(BPF_ITER_CREATE, struct.pack("=II", link, 0))
    try:
        parts = []
        while part := os.read(descriptor, _READ_BYTES):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)
