"""Output to readers that are slow, or stop, or go."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from threading import Thread

import pytest

from fanotify_exporter.trace.output import PIPE_BUF, Output


Pipe = tuple[int, int]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    both = os.pipe()
    yield both
    for fd in both:
        with suppress(OSError):
            os.close(fd)


def never() -> bool:
    return False


def test_lines(pipe: Pipe) -> None:
    """Each line is written at once."""
    output = Output(pipe[1], never)
    assert output.write("é 1")
    assert "é 1\n".encode() == os.read(pipe[0], 100)


def test_slow_reader(pipe: Pipe) -> None:
    """A reader that takes byte for byte gets all lines, also long ones."""
    lines = [str(number) * 2 * PIPE_BUF for number in range(9)]
    got = bytearray()

    def read() -> None:
        while part := os.read(pipe[0], 1000):
            got.extend(part)

    reader = Thread(target=read)
    reader.start()
    output = Output(pipe[1], never)
    assert all(output.write(line) for line in lines)
    os.close(pipe[1])
    reader.join()
    assert "".join(f"{line}\n" for line in lines) == got.decode()


def test_reader_that_takes_nothing(pipe: Pipe) -> None:
    """A full pipe ends no wait before a stop, and every wait after a stop."""
    waits = 0

    def is_stopped() -> bool:
        nonlocal waits
        waits += 1
        return waits > 2

    output = Output(pipe[1], is_stopped)
    written = 0
    while output.write("x" * (PIPE_BUF - 1)):
        written += 1
    assert waits == 3
    assert 16 == written  # a pipe has 65,536 bytes; pipe(7)
    os.read(pipe[0], 65_536)
    assert not output.write("late")


def test_reader_that_is_gone(pipe: Pipe) -> None:
    """The error of a reader that is gone is the caller's."""
    os.close(pipe[0])
    with pytest.raises(BrokenPipeError):
        Output(pipe[1], never).write("line")
