"""A thread that polls a GroupScanner and publishes the latest result."""

from __future__ import annotations

from threading import Event, Thread
from typing import Final

from fanotify_exporter.fsnotify.model import GroupScan
from fanotify_exporter.fsnotify.proc_scan import GroupScanner


# A full scan of a large host may take longer; the exporter does not wait for its end.
STOP_SECONDS: Final = 0.5


class BackgroundScan:
    """A thread that polls, and the result of the latest poll."""

    def __init__(self, scanner: GroupScanner) -> None:
        """Use *scanner* in a thread of its own; no other thread may use *scanner*."""
        self._scanner = scanner
        self._latest: GroupScan | None = None
        self._error: Exception | None = None
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="groups", daemon=True)

    @property
    def inexact_reason(self) -> str:
        """Return why a group counts once for each of its descriptors, or ""."""
        return self._scanner.inexact_reason

    def start(self) -> None:
        """Start the thread; the first poll is a full scan."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end, and wait up to STOP_SECONDS for a poll in progress."""
        self._stopping.set()
        self._thread.join(STOP_SECONDS)

    def latest(self) -> GroupScan | None:
        """
        Return the result of the latest poll, None before the first has completed.

        Raises:
            RuntimeError: the latest poll failed.
        """
        error = self._error
        if error:
            raise RuntimeError(f"scanning for groups failed: {error}") from error
        return self._latest

    def _run(self) -> None:
        delay = 0.0
        while not self._stopping.wait(delay):
            try:
                self._latest = self._scanner.poll()
                self._error = None
            except Exception as error:  # noqa: BLE001  the next poll may succeed
                self._error = error
            delay = self._scanner.delay()
