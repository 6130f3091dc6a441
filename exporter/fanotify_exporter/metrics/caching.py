"""Share one reading of a source among the collectors of one scrape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar


T = TypeVar("T")


class OncePerScrape(Generic[T]):
    """
    A source that is read at most once in each scrape.

    Calling the object reads the source, or returns what the same scrape has read
    already, so that all families of a scrape agree. Scrapes are collected one after
    the other, by one thread. A reading that raised is not kept.
    """

    def __init__(self, read: Callable[[], T]) -> None:
        """Wrap *read*, without calling it."""
        self._read = read
        self._readings: list[T] = []

    def __call__(self) -> T:
        """Return the reading of this scrape."""
        if not self._readings:
            self._readings.append(self._read())
        return self._readings[0]

    def forget(self) -> None:
        """Read anew at the next call; the registry calls this around each scrape."""
        self._readings.clear()
