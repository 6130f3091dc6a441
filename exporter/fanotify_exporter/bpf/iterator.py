"""Passes of a BPF iterator."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from fanotify_exporter.bpf.syscall import bpf


# include/uapi/linux/bpf.h
BPF_ITER_CREATE = 33

# The kernel's buffer of a pass has 8 pages (bpf_seq_read() in kernel/bpf/bpf_iter.c).
_READ_BYTES = 1 << 15

# After 1,000,000 objects without output a read fails with EAGAIN (MAX_ITER_OBJECTS in
# the same file), and the next read goes on. So many reads pass 1,000 million objects.
MAX_EMPTY_READS = 1000


def read_pass(link: int) -> bytes:
    """
    Run the iterator of *link* once; return all that its program wrote.

    Raises:
        OSError: as read_records().
    """
    return b"".join(_read_parts(link))


def read_records(link: int, record: struct.Struct) -> Iterator[tuple[Any, ...]]:
    """
    Run the iterator of *link* once; yield each *record* that its program wrote.

    Raises:
        OSError: the kernel refuses: before Linux 5.19 a pass needs CAP_BPF. Or the pass
            does not end.
    """
    rest = b""
    for part in _read_parts(link):
        written = rest + part
        whole = len(written) // record.size * record.size
        yield from record.iter_unpack(written[:whole])
        rest = written[whole:]


def create_pass(link: int) -> int:
    """
    Return a descriptor of a new pass of the iterator of *link*.

    Raises:
        OSError: the kernel refuses.
    """
    return bpf(BPF_ITER_CREATE, struct.pack("=II", link, 0))


def _read_parts(link: int) -> Iterator[bytes]:
    descriptor = create_pass(link)
    try:
        for _ in range(MAX_EMPTY_READS):
            with suppress(BlockingIOError):
                while part := os.read(descriptor, _READ_BYTES):
                    yield part
                return
    finally:
        os.close(descriptor)
    raise OSError(
        errno.ETIMEDOUT, f"the pass did not end in {MAX_EMPTY_READS} reads without data"
    )
