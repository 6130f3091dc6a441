"""SharedArray reads the entries of mapped memory."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from itertools import islice

from fanotify_exporter.bpf.arrays import SharedArray
from fanotify_exporter.bpf.loaded import Layout


Memory = Callable[[bytes], int]


def test_array_is_read_by_its_layout(memory: Memory) -> None:
    """An array yields its entries in order, as tuples of the layout's members."""
    fd = memory(struct.pack("@QI4xQI4x", 2**63, 7, 1, 2**32 - 1))
    array = SharedArray(fd, Layout(("a", "b"), "@QI4x", 2))
    assert [(2**63, 7), (1, 2**32 - 1)] == list(array)


def test_parts_of_an_array(memory: Memory) -> None:
    """The first members are read in one pass, and an entry by its index."""
    fd = memory(struct.pack("@QI4xQI4xQI4x", 2**64 - 1, 7, 0, 8, 5, 9) + bytes(99))
    array = SharedArray(fd, Layout(("a", "b"), "@QI4x", 3))
    assert [2**64 - 1, 0, 5] == array.first_members()
    assert [(2**64 - 1, 7), (0, 8), (5, 9)] == [array[index] for index in range(3)]


def test_array_larger_than_a_page(memory: Memory) -> None:
    """An entry may cross pages, and the rest of the last page is no entry."""
    numbers = range(1000)
    fd = memory(struct.pack("@1000Q", *numbers) + b"\xff" * 64)
    array = SharedArray(fd, Layout(("n",), "@Q", len(numbers)))
    assert list(numbers) == [n for (n,) in array]


def test_array_is_shared(memory: Memory) -> None:
    """The next read sees values that were written after the array was mapped."""
    fd = memory(struct.pack("@Q", 1))
    array = SharedArray(fd, Layout(("n",), "@Q", 1))
    assert [(1,)] == list(array)
    os.pwrite(fd, struct.pack("@Q", 2), 0)
    assert [(2,)] == list(array)


def test_array_outlives_its_descriptor() -> None:
    """The array stays readable after the descriptor is closed."""
    fd = os.memfd_create("array")
    os.ftruncate(fd, os.sysconf("SC_PAGESIZE"))
    os.pwrite(fd, struct.pack("@Q", 5), 0)
    array = SharedArray(fd, Layout(("n",), "@Q", 1))
    os.close(fd)
    assert [(5,)] == list(array)


def test_array_of_a_read_only_descriptor() -> None:
    """A read-only descriptor is enough, so the exporter cannot change a count."""
    fd = os.memfd_create("array")
    os.ftruncate(fd, os.sysconf("SC_PAGESIZE"))
    read_only = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
    os.close(fd)
    array = SharedArray(read_only, Layout(("n",), "@Q", 1))
    os.close(read_only)
    assert [(0,)] == list(array)


def test_unfinished_iteration(memory: Memory) -> None:
    """An unfinished iteration does not disturb the next iteration."""
    fd = memory(struct.pack("@4Q", 1, 2, 3, 4))
    array = SharedArray(fd, Layout(("n",), "@Q", 4))
    assert [(1,), (2,)] == list(islice(array, 2))
    assert 4 == len(list(array))
