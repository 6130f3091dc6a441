"""A thread that runs calls one at a time for an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar


T = TypeVar("T")

_Call = tuple[Future[Any], Callable[[], Any]]


class Worker:
    """
    A thread for calls that would block an event loop.

    The thread is a daemon, unlike those of a ThreadPoolExecutor, so a call that hangs
    does not keep the process from exiting. The first call starts the thread, which
    gets the privileges that the process has at that time.
    """

    def __init__(self, name: str) -> None:
        """Name the thread *name*."""
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name=name, daemon=True)

    def run(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """Queue *call*, and return a future of its result or exception."""
        if not self._thread.is_alive():
            self._thread.start()
        future: Future[T] = Future()
        self._calls.put((future, call))
        return asyncio.wrap_future(future)

    def stop(self) -> None:
        """End the thread after the queued calls, without waiting for them."""
        self._calls.put(None)

    def _work(self) -> None:
        while call := self._calls.get():
            _complete(*call)


def _complete(future: Future[T], call: Callable[[], T]) -> None:
    """Set the result or the exception of *call* in *future*, unless cancelled."""
    if future.set_running_or_notify_cancel():
        try:
            future.set_result(call())
        except Exception as error:  # noqa: BLE001  raised again by the awaiting task
            future.set_exception(error)
