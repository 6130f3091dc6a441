"""A thread that polls a scanner and publishes the latest result."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Final, Generic, Protocol, TypeVar


# A full scan of a large host may take longer; the exporter does not wait for its end.
STOP_SECONDS: Final = 0.5

Scan_co = TypeVar("Scan_co", covariant=True)


class Scanner(Protocol[Scan_co]):
    """An object that a thread polls."""

    def poll(self) -> Scan_co:
        """Scan, and return the result."""

    def delay(self) -> float:
        """Return the seconds to wait until the next poll."""


class BackgroundScan(Generic[Scan_co]):
    """A thread that polls, and the result of the latest poll."""

    def __init__(
        self,
        scanner: Scanner[Scan_co],
        subject: str,
        *,
        max_age: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Use *scanner* in a thread of its own; no other thread may use *scanner*.

        Args:
            scanner: the object to poll.
            subject: the name of the thread, and in errors of what is scanned for.
            max_age: seconds since the begin of the latest completed poll after which
                its result is too old. A poll that took long may be three times as old
                as it was at its end.
            now: a monotonic clock in seconds.
        """
        self._max_age = max_age
        self._now = now
        # When the latest completed poll began, and how long it took.
        self._completed = (math.inf, 0.0)
        self._scanner = scanner
        self._subject = subject
        self._latest: Scan_co | None = None
        self._error: Exception | None = None
        self._stopping = Event()
        self._thread = Thread(target=self._run, name=subject, daemon=True)

    def start(self) -> None:
        """Start the thread; the first poll begins at once."""
        self._completed = (self._now(), 0.0)
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end, and wait up to STOP_SECONDS for a poll in progress."""
        self._stopping.set()
        self._thread.join(STOP_SECONDS)

    def latest(self) -> Scan_co | None:
        """
        Return the result of the latest poll, None before the first has completed.

        Raises:
            RuntimeError: the latest poll failed, or began too long ago.
        """
        error = self._error
        if error:
            raise RuntimeError(
                f"scanning for {self._subject} failed: {error}"
            ) from error
        began, seconds = self._completed
        age = self._now() - began
        if age > max(self._max_age, 3 * seconds):
            raise RuntimeError(
                f"scanning for {self._subject} hangs: no scan that began in the last "
                f"{age:.0f} s has ended"
            )
        return self._latest

    def _run(self) -> None:
        delay = 0.0
        while not self._stopping.wait(delay):
            began = self._now()
            try:
                self._latest = self._scanner.poll()
                self._completed = (began, self._now() - began)
                self._error = None
            except Exception as error:  # noqa: BLE001  the next poll may succeed
                self._error = error
            delay = self._scanner.delay()
