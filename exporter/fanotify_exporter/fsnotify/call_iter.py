"""Threads inside fanotify_mark(2), from passes of a task iterator."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from typing import Final

from fanotify_exporter.bpf.iterator import read_pass
from fanotify_exporter.bpf.loaded import LoadedFsnotify
from fanotify_exporter.fsnotify.calls_in_progress import (
    PASSES,
    CallTracker,
    OngoingCall,
)
from fanotify_exporter.uapi.comm import comm_text


# struct call_record of bpf/fsnotify/mark_calls.bpf.c
RECORD: Final = struct.Struct("=QQ16sQQII")


class CallIterator:
    """The iterator over threads inside the call, of a loaded set of programs."""

    def __init__(
        self, loaded: LoadedFsnotify, tracker: CallTracker | None = None
    ) -> None:
        """
        Use the iterator of *loaded*, which has one: calls_reason is empty.

        Args:
            tracker: tells which calls are long; None for a new one.
        """
        self._link = loaded.fds["calls"]
        self._tracker = tracker or CallTracker()
        self._poll_seconds = 0.0

    def poll(self) -> tuple[OngoingCall, ...]:
        """
        Return the calls that have been in progress for LONG_SECONDS.

        Raises:
            OSError: the kernel refuses a pass.
        """
        started = time.thread_time()
        try:
            return self._tracker.observe(self.list())
        finally:
            self._poll_seconds = time.thread_time() - started

    def delay(self) -> float:
        """Return the seconds to wait until the next poll."""
        return PASSES.delay(self._poll_seconds)

    def list(self) -> Iterator[OngoingCall]:
        """
        Return the threads that sleep inside the call now.

        Raises:
            OSError: the kernel refuses a pass.
        """
        return map(_parse, RECORD.iter_unpack(read_pass(self._link)))


def _parse(record: tuple[int, int, bytes, int, int, int, int]) -> OngoingCall:
    started_ns, cgroup, comm, registers, sleeps, tid, is_privileged = record
    return OngoingCall(
        tid=tid,
        started=started_ns,
        comm=comm_text(comm),
        privileged=bool(is_privileged),
        registers=registers,
        sleeps=sleeps,
        cgroup=cgroup,
    )
