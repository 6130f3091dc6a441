"""A ring buffer in a memfd, laid out as the kernel lays out its own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from fanotify_exporter.bpf.ring_buffer import BUSY, DISCARDED, RingBuffer
from tools.harness.ring_producer import SIZE, Producer


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


def test_records_that_come_meanwhile(producer: Producer) -> None:
    """Reading ends, however fast new records come."""
    ring = RingBuffer(producer.fd, SIZE)
    producer.add(b"first")
    found = []
    for record in ring.read():
        found.append(bytes(record))
        producer.add(b"next")
    assert [b"first"] == found
    assert [b"next"] == read(ring)


def test_records_after_a_position(producer: Producer) -> None:
    """Records that begin behind a position are left for later."""
    ring = RingBuffer(producer.fd, SIZE)
    producer.add(b"first")
    end = ring.produced
    producer.add(b"second")
    assert [b"first"] == [bytes(record) for record in ring.read(end)]
    assert [] == list(ring.read(end))
    assert [b"second"] == read(ring)


def test_positions(producer: Producer) -> None:
    """The positions tell how far programs and the reader are."""
    ring = RingBuffer(producer.fd, SIZE)
    producer.add(b"first")
    assert (16, 0) == (ring.produced, ring.consumed)
    read(ring)
    assert (16, 16) == (ring.produced, ring.consumed)
    assert producer.fd == ring.fileno()


def test_reader_that_stops_in_between(producer: Producer) -> None:
    """The record that was yielded last is read again by the next reader."""
    for record in (b"first", b"second", b"third"):
        producer.add(record)
    for each in RingBuffer(producer.fd, SIZE).read():
        if bytes(each) == b"second":
            break
    assert [b"second", b"third"] == read(RingBuffer(producer.fd, SIZE))
