"""
A BPF ring buffer, read in this process's memory.

The layout is in Documentation/bpf/ringbuf.rst: a page with the reader's position, which
the reader writes, a page with the writers' position, then the records twice in a row,
so that each record is contiguous. A record begins with a header of 8 bytes: its length,
a bit while a program still writes, and a bit for a record that was given up.

The kernel publishes a position and a header with a barrier (smp_store_release() in
kernel/bpf/ringbuf.c). Python has no barrier to read with. Between the load of a header
and the loads of its record the interpreter executes hundreds of instructions, more than
a processor holds back.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Final


HEADER_BYTES: Final = 8
# BPF_RINGBUF_BUSY_BIT and BPF_RINGBUF_DISCARD_BIT of include/uapi/linux/bpf.h.
BUSY: Final = 1 << 31
DISCARDED: Final = 1 << 30


class RingBuffer:
    """
    The reader of a ring buffer. A ring buffer has one reader.

    Reading needs no capability.
    """

    def __init__(self, fd: int, size: int) -> None:
        """Map the ring buffer *fd*, whose data area has *size* bytes."""
        page = mmap.PAGESIZE
        both = mmap.PROT_READ | mmap.PROT_WRITE
        consumer = mmap.mmap(fd, page, mmap.MAP_SHARED, both)
        producer = mmap.mmap(
            fd, page + 2 * size, mmap.MAP_SHARED, mmap.PROT_READ, offset=page
        )
        # A word of such a view is read and written at once, so no position is torn.
        self._consumed = memoryview(consumer).cast("Q")
        self._produced = memoryview(producer)[:page].cast("Q")
        self._records = memoryview(producer)[page:]
        self._headers = self._records.cast("I")
        self._mask = size - 1
        self._fd = fd

    def fileno(self) -> int:
        """Return the descriptor, which is readable while a record is there."""
        return self._fd

    @property
    def produced(self) -> int:
        """Return the position after the last record that a program has begun."""
        return self._produced[0]

    @property
    def consumed(self) -> int:
        """Return the position after the last record that was read."""
        return self._consumed[0]

    def read(self, until: int | None = None) -> Iterator[memoryview]:
        """
        Yield the records that are there now, oldest first, up to an incomplete one.

        A record is valid until the next one is asked for. Records that come meanwhile
        are left for the next call.

        Args:
            until: a position behind which no record is read.
        """
        position, end = self._consumed[0], self._produced[0]
        end = end if until is None else min(end, until)
        while position < end:
            start = position & self._mask
            header = self._headers[start // 4]
            if header & BUSY:
                return
            length = header & ~DISCARDED
            first = start + HEADER_BYTES
            if not header & DISCARDED:
                yield self._records[first : first + length]
            position += (HEADER_BYTES + length + 7) // 8 * 8
            self._consumed[0] = position
