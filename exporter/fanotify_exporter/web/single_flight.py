"""A worker's results, each for all who ask for it at about the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from fanotify_exporter.web.worker import Worker


T = TypeVar("T")

SHARE_SECONDS = 0.5
"""A reading of the maps is shared as long, so that what is served is of this second."""


class SingleFlight:
    """
    What a worker makes, by key.

    However many ask, each is made at most once in SHARE_SECONDS, and is in memory
    once and not for longer.
    """

    def __init__(self, worker: Worker) -> None:
        """Let *worker* make what is asked for."""
        self._worker = worker
        self._made: dict[Hashable, asyncio.Future[Any]] = {}

    async def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what *make* returns, or returned for *key* a moment ago."""
        future: asyncio.Future[T] | None = self._made.get(key)
        if future is None:
            future = self._made[key] = self._worker.run(make)
            loop = asyncio.get_running_loop()
            loop.call_later(SHARE_SECONDS, self._forget_when_made, key)
        return await future

    def _forget_when_made(self, key: Hashable) -> None:
        self._made[key].add_done_callback(lambda _: self._made.pop(key))
