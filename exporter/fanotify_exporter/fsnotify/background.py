"""A thread that polls a scanner and publishes the latest result."""

from __future__ import annotations

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

    def __init__(self, scanner: Scanner[Scan_co], subject: str = "groups") -> None:
        """
        Use *scanner* in a thread of its own; no other thread may use *scanner*.

        Args:
            scanner: the object to poll.
            subject: the name of the thread, and in errors of what is scanned for.
        """
        self._scanner = scanner
        self._subject = subject
        self._latest: Scan_co | None = None
        self._error: Exception | None = None
        self._stopping = Event()
        self._thread = Thread(target=self._run, name=subject, daemon=True)

    def start(self) -> None:
        """Start the thread; the first poll begins at once."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end, and wait up to STOP_SECONDS for a poll in progress."""
        self._stopping.set()
        self._thread.join(STOP_SECONDS)

    def latest(self) -> Scan_co | None:
        """
        Return the result of the latest poll, None before the first has completed.

        Raises:
            RuntimeError: the latest poll failed.
        """
        error = self._error
        if error:
            raise RuntimeError(
                f"scanning for {self._subject} failed: {error}"
            ) from error
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
