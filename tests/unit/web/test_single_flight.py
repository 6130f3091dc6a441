"""Computations that concurrent callers share, and the lifetime of the results."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from fanotify_exporter.web import single_flight
from fanotify_exporter.web.single_flight import SingleFlight
from fanotify_exporter.web.worker import Worker


def test_concurrent_callers_share_one_result(worker: Worker) -> None:
    """Concurrent callers cause one computation for each key."""
    computed: list[str] = []

    def compute(key: str) -> Callable[[], str]:
        return lambda: computed.append(key) or key.upper()  # type: ignore[func-returns-value]

    async def main() -> list[str]:
        flight = SingleFlight(worker)
        calls = [flight.get(key, compute(key)) for key in "ababab"]
        return await asyncio.gather(*calls)

    assert list("ABABAB") == asyncio.run(main())
    assert ["a", "b"] == sorted(computed)


def test_result_is_forgotten(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """After MAX_AGE_SECONDS the result is freed, and the next caller recomputes it."""
    monkeypatch.setattr(single_flight, "MAX_AGE_SECONDS", 0.01)
    results = iter(range(1000))

    async def main() -> tuple[int, int]:
        flight = SingleFlight(worker)
        first = await flight.get("", lambda: next(results))
        async with asyncio.timeout(5):
            while flight._results:  # noqa: ASYNC110  there is no event for it
                await asyncio.sleep(0.002)
        return first, await flight.get("", lambda: next(results))

    assert (0, 1) == asyncio.run(main())


def test_slow_computation_is_shared(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller gets the result of a running computation, however long that takes."""
    monkeypatch.setattr(single_flight, "MAX_AGE_SECONDS", 0.01)
    gate = threading.Event()
    results = iter(range(1000))

    def compute() -> int:
        assert gate.wait(5)
        return next(results)

    async def main() -> list[int]:
        flight = SingleFlight(worker)
        calls = []
        for _ in range(3):
            calls.append(asyncio.ensure_future(flight.get("", compute)))
            await asyncio.sleep(0.015)
        gate.set()
        return await asyncio.gather(*calls)

    assert [0, 0, 0] == asyncio.run(main())


def test_exception_is_shared(worker: Worker) -> None:
    """All concurrent callers get the exception of a failed computation."""

    async def main() -> list[BaseException | float]:
        flight = SingleFlight(worker)
        calls = [flight.get("", lambda: 1 / 0) for _ in range(3)]
        return await asyncio.gather(*calls, return_exceptions=True)

    assert [ZeroDivisionError] * 3 == [type(each) for each in asyncio.run(main())]
