"""Run a computation once for all concurrent callers (single flight)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from fanotify_exporter.web.worker import Worker


T = TypeVar("T")

# How long a result is reused. Scrapers that start within one second share a result,
# and no response is older than half a second plus the time of the computation.
MAX_AGE_SECONDS = 0.5


class SingleFlight:
    """
    Results of computations on a worker thread, by key.

    All callers that request a key while its computation runs, or up to
    MAX_AGE_SECONDS after it was started, get the same object. So memory holds each
    result once, and only for that time.
    """

    def __init__(self, worker: Worker) -> None:
        """Run computations on *worker*."""
        self._worker = worker
        self._results: dict[Hashable, asyncio.Future[Any]] = {}

    async def get(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return the result for *key*; call *compute* unless a recent one exists."""
        future: asyncio.Future[T] | None = self._results.get(key)
        if future is None:
            future = self._results[key] = self._worker.run(compute)
            loop = asyncio.get_running_loop()
            loop.call_later(MAX_AGE_SECONDS, self._forget_when_done, key)
        return await future

    def _forget_when_done(self, key: Hashable) -> None:
        self._results[key].add_done_callback(lambda _: self._results.pop(key))
