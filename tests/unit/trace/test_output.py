"""Output to readers that are slow, or stop, or go."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest

from fanotify_exporter.errors import OutputError
from fanotify_exporter.trace import output as output_module
from fanotify_exporter.trace.output import Messages, Output, open_unblocked


Pipe = tuple[int, int]
PIPE_BUF = 4096


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


@pytest.mark.parametrize("make", [os.pipe, os.openpty])
def test_no_write_blocks(
    make: Callable[[], Pipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that takes nothing holds up neither lines nor messages."""
    monkeypatch.setattr(output_module, "_WAIT_MS", 1)
    reader, writer = make()
    fd = open_unblocked(writer)
    waits = 0

    def pause() -> bool:
        nonlocal waits
        waits += 1
        return waits > 1000

    output = Output(fd, pause)
    while output.write("x" * 400):
        pass
    messages = Messages(fd, "program")
    while messages.print("x" * 400):
        pass
    assert os.get_blocking(writer)
    for each in {reader, writer, fd}:
        os.close(each)


def test_files_are_written_as_they_are(tmp_path: Path) -> None:
    """A file that is open for appending is not opened again."""
    with (tmp_path / "log").open("ab") as file:
        assert file.fileno() == open_unblocked(file.fileno())


def test_message(pipe: Pipe) -> None:
    """A message is a line with the name of the program."""
    assert Messages(pipe[1], "program").print("said")
    assert b"program: said\n" == os.read(pipe[0], 100)
    os.close(pipe[0])
    assert not Messages(pipe[1], "program").print("unheard")


def test_terminal_that_is_gone() -> None:
    """A terminal that hung up is a reader that is gone."""
    leader, terminal = os.openpty()
    output = Output(terminal, never)
    os.close(leader)
    with pytest.raises(BrokenPipeError):
        output.write("line")
    os.close(terminal)


def test_full_disk() -> None:
    """The error of a full disk says what to do."""
    full = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(OutputError, match=r"No space left on device\. Make room"):
        Output(full, never).write("line")
    os.close(full)
