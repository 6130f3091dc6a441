"""BPF array maps, mapped read-only into this process's memory."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from typing import Any

from fanotify_exporter.bpf.loaded import Layout


class SharedArray:
    """
    A BPF array map in this process's memory, read as tuples.

    A read needs no system call and no capability, and causes no missed run of a
    program.
    """

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
        Yield each entry once, in order, as a tuple of the layout's members.

        One load reads a native-sized member, so a counter is never torn while a
        program adds to the counter.
        """
        with memoryview(self._memory) as memory, memory[: self._size] as view:
            yield from self._struct.iter_unpack(view)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Return the entry at *index* as a tuple of the layout's members."""
        return self._struct.unpack_from(self._memory, index * self._struct.size)

    def first_members(self) -> list[int]:
        """Return the first member of each entry, which is a u64, in order."""
        with (
            memoryview(self._memory) as memory,
            memory[: self._size].cast("Q") as words,
            words[:: self._struct.size // words.itemsize] as firsts,
        ):
            return firsts.tolist()
