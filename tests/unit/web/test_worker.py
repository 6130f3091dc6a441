"""One thread, one call at a time; what it makes is shared for a moment."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any, TypeVar

import pytest

from fanotify_exporter.web import single_flight
from fanotify_exporter.web.single_flight import SingleFlight
from fanotify_exporter.web.worker import Worker


T = TypeVar("T")


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker("test")
    yield worker
    worker.stop()


def in_loop(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    return asyncio.run(main())


def test_calls_run_elsewhere_one_at_a_time(worker: Worker) -> None:
    """Each call runs on the one thread, in the order asked, the loop free meanwhile."""
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


def test_an_exception_is_the_callers(worker: Worker) -> None:
    """A call that fails fails for who awaits it; the next one runs."""

    async def main() -> float:
        with pytest.raises(ZeroDivisionError):
            await worker.run(lambda: 1 / 0)
        return await worker.run(lambda: 1 / 4)

    assert 0.25 == in_loop(main)


def test_who_leaves_early_is_not_worked_for(worker: Worker) -> None:
    """A call that is cancelled before its turn does not run."""
    ran = []
    gate = threading.Event()

    async def main() -> None:
        first = worker.run(lambda: gate.wait(5))
        worker.run(lambda: ran.append("cancelled")).cancel()
        last = worker.run(lambda: ran.append("last"))
        await asyncio.sleep(0)  # the loop hands the cancellation on
        gate.set()
        await asyncio.gather(first, last)

    in_loop(main)
    assert ["last"] == ran


def test_a_stopped_worker_ends() -> None:
    """stop() ends the thread after what it had to do."""
    worker = Worker("ending")
    in_loop(lambda: _run(worker))
    (thread,) = (each for each in threading.enumerate() if each.name == "ending")
    worker.stop()
    thread.join(5)
    assert not thread.is_alive()


async def _run(worker: Worker) -> None:
    await worker.run(lambda: None)


def test_many_share_one_result(worker: Worker) -> None:
    """However many ask at once, it is made once, and each key has its own."""
    made: list[str] = []

    def make(what: str) -> Callable[[], str]:
        return lambda: made.append(what) or what.upper()  # type: ignore[func-returns-value]

    async def main() -> list[str]:
        shared = SingleFlight(worker)
        asked = [shared.get(key, make(key)) for key in "ababab"]
        return await asyncio.gather(*asked)

    assert list("ABABAB") == in_loop(main)
    assert ["a", "b"] == sorted(made)


def test_a_result_is_soon_forgotten(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its time it is made anew, and it is not kept until then."""
    monkeypatch.setattr(single_flight, "SHARE_SECONDS", 0.05)
    made = iter(range(1000))

    async def main() -> tuple[int, int]:
        shared = SingleFlight(worker)
        first = await shared.get("", lambda: next(made))
        async with asyncio.timeout(5):
            while shared._made:  # noqa: ASYNC110  it tells nobody
                await asyncio.sleep(0.01)
        return first, await shared.get("", lambda: next(made))

    assert (0, 1) == in_loop(main)


def test_a_slow_result_is_shared_until_it_is_there(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks while it is in the making, however long, waits for the same one."""
    monkeypatch.setattr(single_flight, "SHARE_SECONDS", 0.01)
    gate = threading.Event()
    made = iter(range(1000))

    def make() -> int:
        assert gate.wait(5)
        return next(made)

    async def main() -> list[int]:
        shared = SingleFlight(worker)
        asked = []
        for _ in range(3):
            asked.append(asyncio.ensure_future(shared.get("", make)))
            await asyncio.sleep(0.03)
        gate.set()
        return await asyncio.gather(*asked)

    assert [0, 0, 0] == in_loop(main)


def test_a_failure_is_shared_too(worker: Worker) -> None:
    """Those who wait for what fails all get the exception."""

    async def main() -> list[BaseException | float]:
        shared = SingleFlight(worker)
        asked = [shared.get("", lambda: 1 / 0) for _ in range(3)]
        return await asyncio.gather(*asked, return_exceptions=True)

    assert [ZeroDivisionError] * 3 == [type(each) for each in in_loop(main)]
