"""Read a source once for all collectors of a scrape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar


T = TypeVar("T")


class OncePerScrape(Generic[T]):
    """
    A source that is read at most once in each scrape.

    Calling the object returns the reading of the current scrape, so all families of a
    scrape agree. One thread collects the scrapes, one after the other. If reading
    raises, the next call reads again.
    """

    def __init__(self, read: Callable[[], T]) -> None:
        """Wrap *read*. The first call of the object calls *read*."""
        self._read = read
        self._readings: list[T] = []

    def __call__(self) -> T:
        """Return the reading of this scrape."""
        if not self._readings:
            self._readings.append(self._read())
        return self._readings[0]

    def forget(self) -> None:
        """Drop the reading. The registry calls this before and after each scrape."""
        self._readings.clear()
