"""
Output of log lines: at first by the thread that logs, then by a thread of its own.

A write to stderr waits while the reader of a pipe does not read. In that time records
are dropped and counted, so that no answer waits for the log.
"""

from __future__ import annotations

import logging
import os
import select
import sys
from queue import SimpleQueue
from threading import Event, Thread
from typing import TextIO

from fanotify_exporter.logs.formatters import JsonFormatter, LogfmtFormatter


# Bytes of lines that may wait: some 1,000 lines.
MAX_WAITING_BYTES = 262_144

# How long the exit waits for lines that are not written yet.
FLUSH_SECONDS = 0.5


class LogOutput(logging.StreamHandler[TextIO]):
    """
    A handler that writes to a stream, and from start() on in a thread.

    Attributes:
        dropped: records that were not written, or not in time.
    """

    def __init__(self, stream: TextIO) -> None:
        """Write to *stream*, which needs a descriptor only for start()."""
        super().__init__(stream)
        self._lines: SimpleQueue[bytes | Event | None] | None = None
        # Each is changed by one thread at a time, so neither needs a lock.
        self._queued_bytes = 0
        self._taken_bytes = 0
        self._not_queued = 0
        self._not_written = 0

    @property
    def dropped(self) -> int:
        """Return the number of records that nobody took in time."""
        return self._not_queued + self._not_written

    def start(self) -> None:
        """Start the thread, which gets the privileges that the process has now."""
        self.flush()
        self._lines = SimpleQueue()
        arguments = (self._lines, self.stream.fileno())
        Thread(target=self._run, args=arguments, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Write *record*, or queue its line if there is room."""
        if self._lines is None:
            super().emit(record)
            return
        try:
            line = f"{self.format(record)}\n".encode(errors="backslashreplace")
        except Exception:  # noqa: BLE001  a wrong argument of a log call
            self.handleError(record)
            return
        if self._queued_bytes - self._taken_bytes + len(line) > MAX_WAITING_BYTES:
            self._not_queued += 1
        else:
            self._queued_bytes += len(line)
            self._lines.put(line)

    def handleError(self, _: logging.LogRecord) -> None:  # noqa: N802  logging's name
        """Count the record as dropped. The base class would write to stderr."""
        self._not_queued += 1

    def flush(self) -> None:
        """Write what waits, but give up after FLUSH_SECONDS if nobody reads."""
        if self._lines is None:
            super().flush()
            return
        written = Event()
        self._lines.put(written)
        written.wait(FLUSH_SECONDS)

    def close(self) -> None:
        """Let the thread end after the lines that wait."""
        if self._lines:
            self._lines.put(None)
        super().close()

    def _run(self, lines: SimpleQueue[bytes | Event | None], fd: int) -> None:
        while (line := lines.get()) is not None:
            if isinstance(line, Event):
                line.set()
                continue
            try:
                _write(fd, line)
            except OSError:  # such as EPIPE, or ENOSPC of a file
                self._not_written += 1
            self._taken_bytes += len(line)


def setup(level: str, style: str, stream: TextIO | None = None) -> LogOutput:
    """Write records of *level* and above to *stream* (default: stderr)."""
    output = LogOutput(stream or sys.stderr)
    output.setFormatter(JsonFormatter() if style == "json" else LogfmtFormatter())
    logging.basicConfig(level=level.upper(), handlers=[output], force=True)
    return output


def _write(fd: int, line: bytes) -> None:
    """
    Write *line*, and wait as long as the reader needs.

    sys.stderr is not used, because the interpreter aborts at its end if a thread holds
    the lock of that object.
    """
    while line:
        try:
            line = line[os.write(fd, line) :]
        except BlockingIOError:  # another process made the pipe non-blocking
            select.select((), (fd,), ())
