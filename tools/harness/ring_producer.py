"""The kernel's side of a ring buffer, in a memfd."""

from __future__ import annotations

import mmap
import os
import struct

from fanotify_exporter.bpf.ring_buffer import HEADER_BYTES


SIZE = mmap.PAGESIZE


class Producer:
    """The kernel's side of a ring buffer of SIZE bytes."""

    def __init__(self) -> None:
        """Make an empty ring buffer."""
        self.fd = os.memfd_create("ring")
        os.ftruncate(self.fd, 2 * mmap.PAGESIZE + 2 * SIZE)
        self.position = 0

    def add(self, record: bytes, flag: int = 0) -> int:
        """Append *record*; return its place."""
        place = self.position
        header = struct.pack("=II", len(record) | flag, 0)
        for offset, byte in enumerate(header + record):
            where = (place + offset) % SIZE
            for copy in (where, where + SIZE):  # the kernel maps one memory twice
                os.pwrite(self.fd, bytes([byte]), 2 * mmap.PAGESIZE + copy)
        self.position += (HEADER_BYTES + len(record) + 7) // 8 * 8
        os.pwrite(self.fd, struct.pack("=Q", self.position), mmap.PAGESIZE)
        return place

    def commit(self, place: int, length: int) -> None:
        """Clear the flag of the record at *place*."""
        header = struct.pack("=I", length)
        os.pwrite(self.fd, header, 2 * mmap.PAGESIZE + place % SIZE)

    @property
    def consumed(self) -> int:
        """Return the reader's position."""
        return int(struct.unpack("=Q", os.pread(self.fd, 8, 0))[0])
