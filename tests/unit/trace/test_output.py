"""Output to readers that are slow, or stop, or go."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from threading import Thread

import pytest

from fanotify_exporter.errors import OutputError
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
    """A full pipe is waited for until the pause says to give up, and then no more."""
    is_over = False
    waits = 0

    def pause() -> bool:
        nonlocal waits
        waits += 1
        return is_over or waits > 20

    output = Output(pipe[1], pause)
    for _ in range(16):  # a pipe has 65,536 bytes; pipe(7)
        assert output.write("x" * (PIPE_BUF - 1))
    assert 16 == waits
    assert not output.write("stuck")
    assert 21 == waits
    os.read(pipe[0], 65_536)
    assert not output.write("late")
    assert 21 == waits


def test_end_before_a_line(pipe: Pipe) -> None:
    """A reader that takes lines slowly gets none after the end."""
    is_over = [False, True]
    output = Output(pipe[1], lambda: is_over.pop(0))
    assert output.write("early")
    assert not output.write("late")
    assert b"early\n" == os.read(pipe[0], 100)


def test_reader_that_is_gone(pipe: Pipe) -> None:
    """A reader that is gone is told apart from a full disk."""
    os.close(pipe[0])
    with pytest.raises(BrokenPipeError):
        Output(pipe[1], never).write("line")


def test_terminal_that_is_gone() -> None:
    """A terminal that hung up is a reader that is gone."""
    leader, terminal = os.openpty()
    os.close(leader)
    with pytest.raises(BrokenPipeError):
        Output(terminal, never).write("line")
    os.close(terminal)


def test_full_disk() -> None:
    """The error of a full disk says what to do."""
    full = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(OutputError, match=r"No space left on device\. Make room"):
        Output(full, never).write("line")
    os.close(full)
