"""Output of log lines: streams, the thread, full pipes, and what is dropped."""

from __future__ import annotations

import io
import logging
import os
import re
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from fanotify_exporter.logs.hooks import logging_bugs
from fanotify_exporter.logs.output import FLUSH_SECONDS, MAX_WAITING_BYTES, setup


pytestmark = pytest.mark.usefixtures("root_logger")

log = logging.getLogger("test")


@pytest.fixture
def pipe() -> Iterator[tuple[int, io.TextIOWrapper]]:
    """Give the descriptor to read from a pipe, and the stream to write to it."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        yield reading, stream
        os.close(reading)


def test_setup_replaces_handlers(root_logger: logging.Logger) -> None:
    """After a second setup there is one handler: no line is written twice."""
    setup("info", "json", io.StringIO())
    stream = io.StringIO()
    setup("info", "logfmt", stream)
    log.info("once")
    assert 1 == stream.getvalue().count("msg=once")
    assert 1 == len(root_logger.handlers)


def test_logs_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Lines go to stderr, never to stdout."""
    setup("info", "logfmt")
    log.info("here")
    captured = capsys.readouterr()
    assert "" == captured.out
    assert captured.err.endswith(" msg=here\n")


def test_thread_keeps_the_order(tmp_path: Path) -> None:
    """Lines from before and after the start of the thread are written in order."""
    with (tmp_path / "log").open("w") as stream:
        output = setup("info", "logfmt", stream)
        log.info("first")
        output.start()
        for number in range(500):
            log.info("%d", number)
        output.flush()
        text = (tmp_path / "log").read_text()
        output.close()
    expected = ["first", *map(str, range(500))]
    assert expected == re.findall(r"msg=(\S+)", text)
    assert 0 == output.dropped


def test_full_pipe(pipe: tuple[int, io.TextIOWrapper]) -> None:
    """While nobody reads, logging does not wait; records are dropped and counted."""
    reading, stream = pipe
    output = setup("info", "logfmt", stream)
    output.start()
    text = "x" * 1000
    started = time.monotonic()
    for _ in range(1000):
        log.info(text)
    assert time.monotonic() - started < 1
    dropped = output.dropped
    # A pipe holds 64 KiB; pipe(7).
    room = (MAX_WAITING_BYTES + 65536) / 1100
    assert 0.8 * room < 1000 - dropped < 1.2 * room

    started = time.monotonic()
    output.flush()
    assert FLUSH_SECONDS <= time.monotonic() - started < FLUSH_SECONDS + 0.5

    received = b""
    while received.count(b"\n") < 1000 - dropped:
        received += os.read(reading, 65536)
    log.info("later")
    while b"msg=later" not in received:
        received += os.read(reading, 65536)
    assert dropped == output.dropped
    assert 1000 - dropped + 1 == received.count(b"\n")
    output.close()


def test_pipe_that_does_not_block(pipe: tuple[int, io.TextIOWrapper]) -> None:
    """A full pipe in non-blocking mode loses no line either."""
    reading, stream = pipe
    os.set_blocking(stream.fileno(), False)
    output = setup("info", "logfmt", stream)
    output.start()
    for _ in range(100):
        log.info("x" * 1000)
    time.sleep(0.1)
    received = b""
    while received.count(b"\n") < 100:
        received += os.read(reading, 65536)
    assert 0 == output.dropped
    output.close()


def test_failing_writes_are_counted() -> None:
    """A line that cannot be written, as on a full disk, counts as dropped."""
    with Path("/dev/full").open("w") as stream:
        output = setup("info", "logfmt", stream)
        output.start()
        log.info("a")
        log.info("b")
        output.flush()
        assert 2 == output.dropped
        output.close()


def test_wrong_arguments_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """A record that cannot be formatted counts as dropped, and writes no traceback."""
    output = setup("info", "logfmt")
    log.info("%d", "no number")
    assert 1 == output.dropped
    assert "" == capsys.readouterr().err


def test_bugs_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Exceptions that nothing catches and Python's warnings are log records."""

    class Broken:
        def __del__(self) -> None:
            raise ValueError("in a destructor")

    def fail() -> None:
        raise ValueError("in a thread")

    before = threading.excepthook, sys.unraisablehook, warnings.showwarning
    with logging_bugs(), warnings.catch_warnings():
        warnings.simplefilter("always")
        thread = threading.Thread(target=fail, name="failing")
        thread.start()
        thread.join()
        broken = Broken()
        del broken
        # catch_warnings() does not restore a function that was replaced before.
        warnings.warn("old", RuntimeWarning, stacklevel=1)
    assert before == (threading.excepthook, sys.unraisablehook, warnings.showwarning)
    assert [
        ("thread ended", "in a thread"),
        ("exception ignored", "in a destructor"),
        ("RuntimeWarning: old", ""),
    ] == [
        (each.message, str(each.exc_info[1]) if each.exc_info else "")
        for each in caplog.records
    ]
