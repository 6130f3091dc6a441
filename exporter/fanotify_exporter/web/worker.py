"""One thread that does one thing after another for an event loop."""

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
    A thread for what would hold up an event loop.

    It is a daemon, unlike those of a ThreadPoolExecutor: a call that hangs does not
    keep the process from ending. It starts with the first call, and so with the
    privileges that the process has then.
    """

    def __init__(self, name: str) -> None:
        """Call the thread *name*."""
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name=name, daemon=True)

    def run(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """Return what will be *call*'s result, or its exception."""
        if not self._thread.is_alive():
            self._thread.start()
        future: Future[T] = Future()
        self._calls.put((future, call))
        return asyncio.wrap_future(future)

    def stop(self) -> None:
        """End the thread, after the calls that it has; do not wait for them."""
        self._calls.put(None)

    def _work(self) -> None:
        while call := self._calls.get():
            _answer(*call)


def _answer(future: Future[T], call: Callable[[], T]) -> None:
    if future.set_running_or_notify_cancel():
        try:
            future.set_result(call())
        except Exception as error:  # noqa: BLE001  it is for whoever awaits it
            future.set_exception(error)
