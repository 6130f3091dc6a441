"""Calls on the worker thread: order, exceptions, cancellation, end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

import pytest

from fanotify_exporter.web.worker import Worker


T = TypeVar("T")


def in_loop(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    return asyncio.run(main())


def test_calls_run_one_at_a_time(worker: Worker) -> None:
    """All calls run on one daemon thread, in the order of run()."""
    order: list[int] = []

    def call(number: int) -> threading.Thread:
        order.append(number)
        return threading.current_thread()

    async def main() -> set[threading.Thread]:
        calls = (worker.run(partial(call, number)) for number in range(23))
        return set(await asyncio.gather(*calls))

    (thread,) = in_loop(main)
    assert "test" == thread.name
    assert thread.daemon
    assert list(range(23)) == order


def test_exception(worker: Worker) -> None:
    """An exception is raised by the await of its call, and the next call runs."""

    async def main() -> float:
        with pytest.raises(ZeroDivisionError):
            await worker.run(lambda: 1 / 0)
        return await worker.run(lambda: 1 / 4)

    assert 0.25 == in_loop(main)


def test_cancelled_call(worker: Worker) -> None:
    """A call that is cancelled while queued does not run."""
    ran = []
    gate = threading.Event()

    async def main() -> None:
        first = worker.run(lambda: gate.wait(5))
        worker.run(lambda: ran.append("cancelled")).cancel()
        last = worker.run(lambda: ran.append("last"))
        await asyncio.sleep(0)  # lets the loop pass on the cancellation
        gate.set()
        await asyncio.gather(first, last)

    in_loop(main)
    assert ["last"] == ran


def test_stop() -> None:
    """stop() ends the thread after the queued calls."""
    worker = Worker("ending")
    in_loop(lambda: _run(worker))
    (thread,) = (each for each in threading.enumerate() if each.name == "ending")
    worker.stop()
    thread.join(5)
    assert not thread.is_alive()


async def _run(worker: Worker) -> None:
    await worker.run(lambda: None)
