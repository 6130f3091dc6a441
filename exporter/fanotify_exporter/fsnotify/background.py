"""
Watch a /proc for fanotify groups, in a thread of its own; the latest result, out.

A full scan looks at every descriptor of every process. Between two of them, each
second, only the groups found and the processes that may have made one are looked
at, so that new groups, new marks and what ended show soon.
"""

from __future__ import annotations

from threading import Event, Thread

from fanotify_exporter.fsnotify.model import GroupScan
from fanotify_exporter.fsnotify.proc_scan import GroupScanner


STOP_SECONDS = 0.5


class BackgroundScan:
    """A scanner's steps in a thread of its own, and the result of the last one."""

    def __init__(self, scanner: GroupScanner) -> None:
        """Take the *scanner*; no other thread may use it from now on."""
        self._scanner = scanner
        self._latest: GroupScan | None = None
        self._error: Exception | None = None
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="groups", daemon=True)

    @property
    def inexact_reason(self) -> str:
        """Return why one group with several descriptors counts as several, or ""."""
        return self._scanner.inexact_reason

    def start(self) -> None:
        """Begin with a full scan."""
        self._thread.start()

    def stop(self) -> None:
        """Do no further step; wait a moment for the one that runs."""
        self._stopping.set()
        self._thread.join(STOP_SECONDS)

    def latest(self) -> GroupScan | None:
        """
        Return what there was in the last step, None before the first has ended.

        Raises:
            RuntimeError: the last step failed.
        """
        error = self._error
        if error:
            raise RuntimeError(f"looking for groups failed: {error}") from error
        return self._latest

    def _run(self) -> None:
        pause = 0.0
        while not self._stopping.wait(pause):
            try:
                self._latest = self._scanner.step()
                self._error = None
            except Exception as error:  # noqa: BLE001  the next step may go well
                self._error = error
            pause = self._scanner.pause()
