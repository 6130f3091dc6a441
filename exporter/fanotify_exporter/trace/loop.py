"""Show the calls that a ring buffer receives until the end of the trace."""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from typing import Final

from fanotify_exporter.bpf.call_records import RECORD_SPACE, Call, parse
from fanotify_exporter.bpf.ring_buffer import RingBuffer
from fanotify_exporter.trace.ending import Ending
from fanotify_exporter.trace.output import Output


# Longest wait for a record, so that the end is seen soon.
_WAIT_MS: Final = 250

# Time between two calls of *tick*.
TICK_SECONDS: Final = 1.0

# Longest time, at the end, for programs to finish the records that they have begun.
_FINISH_SECONDS: Final = 0.1

# Wait before a record that a program has begun is looked at again.
_BUSY_SECONDS: Final = 0.001


class Trace:
    """
    The calls that are shown, and those that are not.

    Attributes:
        shown: number of calls that the reader took.
        unread: number of calls that the reader did not take.
        unfinished: number of records that were not complete at the end.
    """

    def __init__(
        self,
        records: RingBuffer,
        fd: int,
        line: Callable[[Call], str],
        ending: Ending,
        tick: Callable[[], None],
    ) -> None:
        """
        Show the calls of *records* on the descriptor *fd*.

        Args:
            line: returns the text of a call.
            tick: is called about once a second, also while the reader takes nothing.
        """
        self._records = records
        self._line = line
        self._ending = ending
        self._tick = tick
        self._next_tick = time.monotonic() + TICK_SECONDS
        self._fd = fd
        self._output = Output(fd, self._pause)
        self._poll = select.poll()
        self._poll.register(records, select.POLLIN)
        self._poll.register(fd, 0)  # only whether the reader is gone
        # The position of the ring buffer when the end was due.
        self._end: int | None = None
        self.shown = self.unread = self.unfinished = 0

    def run(self, count: int | None) -> None:
        """
        Show calls until the end, or until *count* calls were shown.

        Raises:
            BrokenPipeError: the reader is gone.
            OutputError: a line cannot be written.
        """
        while self._end is None:
            received = self._show(count)
            if self.shown == count:
                return
            self._pause()
            if self._end is None:
                self._wait(is_stuck=not received)
        self._finish(count, self._end)

    def _show(self, count: int | None, until: int | None = None) -> int:
        """Show the calls that are there now; return their number."""
        received = 0
        for record in self._records.read(until):
            received += 1
            if self._output.has_given_up:
                self.unread += 1
            elif self._output.write(self._line(parse(record))):
                self.shown += 1
            else:
                self.unread += 1
            if self.shown == count:
                break
        return received

    def _wait(self, *, is_stuck: bool) -> None:
        ready = dict(self._poll.poll(_WAIT_MS))
        if self._fd in ready:
            raise BrokenPipeError
        if ready and is_stuck:
            time.sleep(_BUSY_SECONDS)

    def _finish(self, count: int | None, end: int) -> None:
        """Show the calls that were made before the end."""
        self._show(count, end)
        began = time.monotonic()
        while self._records.consumed < end and self.shown != count:
            if time.monotonic() - began > _FINISH_SECONDS:
                break
            time.sleep(_BUSY_SECONDS)
            self._show(count, end)
        self.unfinished = max(0, end - self._records.consumed) // RECORD_SPACE

    def _pause(self) -> bool:
        """Call *tick* if it is time; return whether to give up on the reader."""
        now = time.monotonic()
        if now >= self._next_tick:
            self._next_tick = now + TICK_SECONDS
            self._tick()
        if self._end is None and self._ending.is_due():
            self._end = self._records.produced
        return self._ending.is_over()
