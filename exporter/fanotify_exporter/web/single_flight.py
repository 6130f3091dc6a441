"""
Run one scrape for all requests that wait when the scrape begins (single flight).

A request that comes while a scrape runs waits for the next one, so an answer has every
call that returned before the request. After a scrape the worker rests, so that
clients cannot make the exporter use more than half of a core.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, Generic, TypeVar

from fanotify_exporter.web.worker import Worker


# The largest share of one core. Less than a half, because some requests are read after
# the last look at the clock.
MAX_CPU_SHARE = 0.45

# A scrape that waited for the kernel, and did not compute, is followed by at most this
# rest.
MAX_IDLE_REST_SECONDS = 1.0

# Maximum additional rest for CPU time that other work took: reading requests and
# sending answers, but also the background threads.
MAX_EXTRA_REST_SECONDS = 0.5

log = logging.getLogger(__name__)

S = TypeVar("S")
T = TypeVar("T")


class Rendering(Generic[S]):
    """
    A result that requests wait for.

    Attributes:
        make: makes the result of a scrape.
        waiting: a future for each request. A request that was given up is cancelled.
    """

    def __init__(self, make: Callable[[S], Any]) -> None:
        """Start without a request."""
        self.make = make
        self.waiting: list[asyncio.Future[Any]] = []

    def is_wanted(self) -> bool:
        """Return whether a request still waits."""
        return not all(future.done() for future in self.waiting)

    def give(self, result: object) -> None:
        """Answer the requests that still wait."""
        for future in self.waiting:
            if not future.done():
                future.set_result(result)

    def fail(self, error: Exception) -> None:
        """Let the requests that still wait fail."""
        for future in self.waiting:
            if not future.done():
                future.set_exception(error)


class SingleFlight(Generic[S]):
    """
    Scrapes on a worker thread, one at a time.

    The number of waiting requests is bounded by the number of connections.
    """

    def __init__(
        self,
        worker: Worker,
        begin: Callable[[], S],
        end: Callable[[S], None] = lambda _: None,
        *,
        clock: Callable[[], float] = time.monotonic,
        cpu_clock: Callable[[], float] = time.process_time,
    ) -> None:
        """
        Scrape on *worker*.

        Args:
            begin: begins a scrape.
            end: drops what a scrape has read.
            clock: returns the time in seconds.
            cpu_clock: returns the CPU time of this process in seconds.
        """
        self._worker = worker
        self._begin = begin
        self._end = end
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._next: dict[Hashable, Rendering[S]] = {}
        self._task: asyncio.Task[None] | None = None

    def get(self, key: Hashable, make: Callable[[S], T]) -> asyncio.Future[T]:
        """
        Return a future of *make* of the next scrape.

        Requests with the same *key* share one result. Cancel the future of a request
        whose client has left: a scrape that nobody waits for does not begin.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._next.setdefault(key, Rendering(make)).waiting.append(future)
        if self._task is None:
            self._task = asyncio.create_task(self._scrape_while_wanted())
        return future

    async def _scrape_while_wanted(self) -> None:
        try:
            while renderings := self._take_next():
                started, cpu_started = self._clock(), self._cpu_clock()
                await self._scrape(renderings)
                await self._rest(started, cpu_started)
        finally:
            self._task = None

    def _take_next(self) -> list[Rendering[S]]:
        """Return what the requests that wait now want; later ones wait again."""
        renderings = [each for each in self._next.values() if each.is_wanted()]
        self._next.clear()
        return renderings

    async def _scrape(self, renderings: list[Rendering[S]]) -> None:
        try:
            scrape = await self._worker.run(self._begin)
        except Exception as error:  # noqa: BLE001  raised again by requests
            for each in renderings:
                each.fail(error)
            return
        for each in renderings:
            if each.is_wanted():
                try:
                    each.give(await self._worker.run(partial(each.make, scrape)))
                except Exception as error:  # noqa: BLE001  raised again by requests
                    each.fail(error)
        try:
            await self._worker.run(partial(self._end, scrape))
        except Exception:
            log.exception("cannot drop what a scrape has read")

    async def _rest(self, started: float, cpu_started: float) -> None:
        """Sleep as long as the scrape took, and until MAX_CPU_SHARE is kept."""
        ended = self._clock()
        cpu_seconds = self._cpu_clock() - cpu_started
        rest = min(ended - started, max(cpu_seconds, MAX_IDLE_REST_SECONDS))
        await asyncio.sleep(rest)
        latest = ended + rest + MAX_EXTRA_REST_SECONDS
        while True:
            due = started + (self._cpu_clock() - cpu_started) / MAX_CPU_SHARE
            delay = min(due, latest) - self._clock()
            if delay <= 0:
                break
            await asyncio.sleep(delay)
