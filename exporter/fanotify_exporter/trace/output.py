"""Lines to a descriptor whose reader may be slow, may stop reading, or may be gone."""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Callable
from typing import Final

from fanotify_exporter.errors import OutputError


# include/uapi/linux/limits.h: after POLLOUT a pipe takes so many bytes at once.
PIPE_BUF: Final = 4096

# Time between calls of *pause*, while the reader takes nothing.
_WAIT_MS: Final = 100

# The reader of a pipe or a terminal is gone.
_GONE: Final = (errno.EPIPE, errno.EIO)


class Output:
    """Whole lines to a descriptor."""

    def __init__(self, fd: int, pause: Callable[[], bool]) -> None:
        """
        Write to *fd*.

        Args:
            pause: is called before each line, and again and again while the reader
                takes nothing. If it returns True, no line is written any more.
        """
        self._fd = fd
        self._pause = pause
        self._has_given_up = False
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)

    def write(self, line: str) -> bool:
        """
        Write *line* and a line feed. Return False if the reader did not take the line.

        Raises:
            BrokenPipeError: the reader is gone.
            OutputError: the line cannot be written, for example to a full disk.
        """
        rest = memoryview(f"{line}\n".encode())
        self._has_given_up = self._has_given_up or self._pause()
        while rest and not self._has_given_up:
            if self._poll.poll(_WAIT_MS):
                rest = rest[self._write(rest[:PIPE_BUF]) :]
            else:
                self._has_given_up = self._pause()
        return not rest

    def _write(self, part: memoryview) -> int:
        try:
            return os.write(self._fd, part)
        except OSError as error:
            if error.errno in _GONE:
                raise BrokenPipeError from error
            raise OutputError(
                f"cannot write to standard output: {error.strerror}. Make room, or "
                "write to another place"
            ) from error
