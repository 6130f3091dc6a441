"""Lines to descriptors whose readers may be slow, may stop reading, or may be gone."""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from fanotify_exporter.errors import OutputError


# Time between calls of *pause*, while the reader takes nothing.
_WAIT_MS: Final = 100

# Wait after a write that took nothing although the descriptor was ready.
_RETRY_SECONDS: Final = 0.001

# Longest wait for room for a message.
_MESSAGE_MS: Final = 100


def open_unblocked(fd: int) -> int:
    """
    Return a descriptor for the pipe or the terminal behind *fd* that never blocks.

    A descriptor shares O_NONBLOCK with the programs that have inherited it, so *fd*
    stays as it is. The descriptor is *fd* itself for files and sockets.
    """
    mode = os.fstat(fd).st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        with suppress(OSError):  # another user's
            return os.open(f"/dev/fd/{fd}", flags)
    return fd


class Output:
    """Lines for a reader. After the end, the last line may be cut."""

    def __init__(self, fd: int, pause: Callable[[], bool]) -> None:
        """
        Write to *fd*, which is best made by open_unblocked().

        Args:
            pause: is called before each line, and again and again while the reader
                takes nothing. If it returns True, no line is written any more.
        """
        self._fd = fd
        self._pause = pause
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)
        # A terminal that hung up is a reader that is gone, a disk with a fault is not.
        self._gone = {errno.EPIPE} | ({errno.EIO} if os.isatty(fd) else set())
        self.has_given_up = False

    def write(self, line: str) -> bool:
        """
        Write *line* and a line feed. Return False if the reader did not take the line.

        Raises:
            BrokenPipeError: the reader is gone.
            OutputError: the line cannot be written, for example to a full disk.
        """
        rest = memoryview(f"{line}\n".encode())
        self.has_given_up = self.has_given_up or self._pause()
        while rest and not self.has_given_up:
            written = self._write(rest) if self._poll.poll(_WAIT_MS) else 0
            rest = rest[written:]
            if not written:
                self.has_given_up = self._pause()
        return not rest

    def _write(self, part: memoryview) -> int:
        try:
            return os.write(self._fd, part)
        except BlockingIOError:
            time.sleep(_RETRY_SECONDS)
            return 0
        except OSError as error:
            if error.errno in self._gone:
                raise BrokenPipeError from error
            raise OutputError(
                f"cannot write to standard output: {error.strerror}. Make room, or "
                "write to another place"
            ) from error


class Messages:
    """Messages for people, which are dropped if nobody takes them."""

    def __init__(self, fd: int, prefix: str) -> None:
        """Write to *fd*, each message after *prefix*."""
        self._fd = fd
        self._prefix = prefix
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)

    def print(self, message: str) -> bool:
        """Write a line with *message*. Return False if nobody takes the line."""
        try:
            if not self._poll.poll(_MESSAGE_MS):
                return False
            os.write(self._fd, f"{self._prefix}: {message}\n".encode())
        except OSError:
            return False
        return True
