"""The loop between a ring buffer and a reader, with a ring buffer in a memfd."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from fanotify_exporter.bpf.call_records import Call
from fanotify_exporter.bpf.ring_buffer import BUSY, RingBuffer
from fanotify_exporter.trace.ending import Ending
from fanotify_exporter.trace.loop import Trace
from tools.harness.call_records import make_record
from tools.harness.ring_producer import SIZE, Producer


Pipe = tuple[int, int]


@pytest.fixture
def producer() -> Iterator[Producer]:
    made = Producer()
    yield made
    os.close(made.fd)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    both = os.pipe()
    yield both
    for fd in both:
        with suppress(OSError):
            os.close(fd)


class Session:
    """A trace that ends when the test says so."""

    def __init__(self, producer: Producer, fd: int) -> None:
        """Trace the records of *producer* to *fd*."""
        self.is_stopped = False
        self.ticks = 0
        self.on_line: Callable[[], None] = lambda: None
        self.trace = Trace(
            RingBuffer(producer.fd, SIZE),
            fd,
            self._line,
            Ending(None, lambda: self.is_stopped),
            self._tick,
        )

    def _line(self, call: Call) -> str:
        self.on_line()
        return str(call.pid)

    def _tick(self) -> None:
        self.ticks += 1

    @property
    def counts(self) -> tuple[int, int, int]:
        """Return the numbers of shown, unread and unfinished calls."""
        return self.trace.shown, self.trace.unread, self.trace.unfinished


@pytest.fixture
def session(producer: Producer, pipe: Pipe) -> Session:
    return Session(producer, pipe[1])


def add(producer: Producer, *pids: int, flag: int = 0) -> None:
    for pid in pids:
        producer.add(bytes(make_record(pid=pid)), flag)


def test_calls_before_the_end(session: Session, producer: Producer, pipe: Pipe) -> None:
    """All calls that were made before the end are shown, in order."""
    add(producer, 1, 2, 3)
    session.is_stopped = True
    session.trace.run(None)
    assert (3, 0, 0) == session.counts
    assert b"1\n2\n3\n" == os.read(pipe[0], 100)


def test_count(session: Session, producer: Producer, pipe: Pipe) -> None:
    """After the wanted number of calls nothing more is shown."""
    add(producer, 1, 2, 3)
    session.trace.run(2)
    assert b"1\n2\n" == os.read(pipe[0], 100)


def test_flood(session: Session, producer: Producer) -> None:
    """The end comes, and ticks go on, while there is always one more call."""
    add(producer, 1)
    began = time.monotonic()

    def flood() -> None:
        add(producer, 1)
        session.is_stopped = time.monotonic() - began > 1.2

    session.on_line = flood
    session.trace.run(None)
    assert session.ticks
    assert session.trace.shown > 10


def test_calls_after_the_end(session: Session, producer: Producer, pipe: Pipe) -> None:
    """A call that is made after the end was due is neither shown nor lost."""
    add(producer, 1, 2)

    def stop() -> None:
        if not session.is_stopped:
            session.is_stopped = True
            session.trace._pause()
            add(producer, 3)

    session.on_line = stop
    session.trace.run(None)
    assert (2, 0, 0) == session.counts
    assert b"1\n2\n" == os.read(pipe[0], 100)


def test_reader_that_takes_nothing(
    session: Session, producer: Producer, pipe: Pipe
) -> None:
    """Ticks go on while the reader takes nothing; after the end it gets 1 s more."""
    os.set_blocking(pipe[1], False)
    with suppress(BlockingIOError):
        while True:
            os.write(pipe[1], b"x" * 4096)
    add(producer, 1, 2, 3)
    tick = session._tick

    def stop() -> None:
        tick()
        session.is_stopped = True

    session.trace._tick = stop
    session.trace.run(None)
    assert session.ticks >= 1
    assert (0, 3, 0) == session.counts


def test_reader_that_is_gone_without_a_call(session: Session, pipe: Pipe) -> None:
    """The trace ends when its reader goes, also on a quiet host."""
    os.close(pipe[0])
    with pytest.raises(BrokenPipeError):
        session.trace.run(None)


def test_call_that_is_not_finished(session: Session, producer: Producer) -> None:
    """A call whose record is not complete, and those behind, are not forgotten."""
    add(producer, 1)
    add(producer, 2, flag=BUSY)
    add(producer, 3)
    session.is_stopped = True
    session.trace.run(None)
    assert (1, 0, 2) == session.counts


def test_call_that_is_finished_late(
    session: Session,
    producer: Producer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A record that is completed soon after the end is shown."""
    record = bytes(make_record(pid=2))
    place = producer.add(record, BUSY)
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            producer.commit(place, len(record))

    monkeypatch.setattr("fanotify_exporter.trace.loop.time.sleep", sleep)
    session.is_stopped = True
    session.trace.run(None)
    assert (1, 0, 0) == session.counts
