"""
Read the BPF maps: memory that the kernel shares, in; counted calls, out.

The maps are arrays that the programs write and this process maps read-only, so
a read is no system call, needs no capability and disturbs no probe.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from typing import Any

from fanotify_exporter.bpf.loaded import Layout


class SharedArray:
    """A BPF array map in this process's memory, read as tuples."""

    def __init__(self, fd: int, layout: Layout) -> None:
        """Map *fd*, an array made with BPF_F_MMAPABLE, read-only."""
        self._struct = struct.Struct(layout.format)
        self._size = self._struct.size * layout.entries
        pages = -(-self._size // mmap.PAGESIZE)
        self._memory = mmap.mmap(
            fd, pages * mmap.PAGESIZE, mmap.MAP_SHARED, mmap.PROT_READ
        )

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """
        Read each entry once, in order, as the layout's members.

        A native-sized member is read by one load, so a counter that a program
        is just adding to is never seen torn.
        """
        with memoryview(self._memory) as memory, memory[: self._size] as view:
            yield from self._struct.iter_unpack(view)
