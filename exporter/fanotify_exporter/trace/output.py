"""Lines to a descriptor whose reader may be slow, may stop reading, or may be gone."""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from typing import Final


# include/uapi/linux/limits.h: after POLLOUT a pipe takes so many bytes at once.
PIPE_BUF: Final = 4096

# Time between looks at whether to stop, while the reader takes nothing.
_WAIT_MS = 100


class Output:
    """Writes whole lines, and gives up on a reader that takes nothing when asked to."""

    def __init__(self, fd: int, is_stopped: Callable[[], bool]) -> None:
        """Write to *fd*, until its reader takes nothing and *is_stopped* is true."""
        self._fd = fd
        self._is_stopped = is_stopped
        self._has_given_up = False
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)

    def write(self, line: str) -> bool:
        """
        Write *line* and a line feed. Return False if the reader did not take the line.

        After a line that was not taken, no other line is tried.

        Raises:
            BrokenPipeError: the reader is gone.
        """
        rest = memoryview(f"{line}\n".encode())
        while rest and not self._has_given_up:
            if self._poll.poll(_WAIT_MS):
                rest = rest[os.write(self._fd, rest[:PIPE_BUF]) :]
            else:
                self._has_given_up = self._is_stopped()
        return not rest
