"""A ring buffer in a memfd, laid out as the kernel lays out its own."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator

import pytest

from fanotify_exporter.bpf.ring_buffer import (
    BUSY,
    DISCARDED,
    HEADER_BYTES,
    RingBuffer,
)


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


@pytest.fixture
def producer() -> Iterator[Producer]:
    made = Producer()
    yield made
    os.close(made.fd)


def read(ring: RingBuffer) -> list[bytes]:
    return [bytes(record) for record in ring.read()]


def test_records_in_order(producer: Producer) -> None:
    """Records of any length are read once, in order, and their room is given back."""
    ring = RingBuffer(producer.fd, SIZE)
    records = [b"x" * length for length in (1, 7, 8, 9, 336)]
    for record in records:
        producer.add(record)
    assert records == read(ring)
    assert [] == read(ring)
    assert producer.position == producer.consumed


def test_records_around_the_end(producer: Producer) -> None:
    """A record that goes over the end of the buffer is read in one piece."""
    ring = RingBuffer(producer.fd, SIZE)
    for number in range(100):
        record = bytes([number]) * 333
        producer.add(record)
        assert [record] == read(ring)
    assert producer.position > 8 * SIZE


def test_record_in_the_making(producer: Producer) -> None:
    """Nothing behind a record that a program still writes is read before."""
    ring = RingBuffer(producer.fd, SIZE)
    producer.add(b"first")
    place = producer.add(b"second", BUSY)
    producer.add(b"third")
    assert [b"first"] == read(ring)
    assert place == producer.consumed
    producer.commit(place, len(b"second"))
    assert [b"second", b"third"] == read(ring)


def test_discarded_record(producer: Producer) -> None:
    """A record that was given up is left out."""
    ring = RingBuffer(producer.fd, SIZE)
    producer.add(b"first", DISCARDED)
    producer.add(b"second")
    assert [b"second"] == read(ring)
    assert producer.position == producer.consumed


def test_reader_that_stops_in_between(producer: Producer) -> None:
    """The record that was yielded last is read again by the next reader."""
    for record in (b"first", b"second", b"third"):
        producer.add(record)
    for each in RingBuffer(producer.fd, SIZE).read():
        if bytes(each) == b"second":
            break
    assert [b"second", b"third"] == read(RingBuffer(producer.fd, SIZE))
