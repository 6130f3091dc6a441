"""Scrapes that requests share, their order, and the rest between them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from itertools import count
from typing import Any, TypeVar

import pytest

from fanotify_exporter.web.single_flight import SingleFlight
from fanotify_exporter.web.worker import Worker


T = TypeVar("T")


class Clocks:
    """A clock and a clock of CPU time; sleeping moves the first, work moves both."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.cpu = 5.0
        self.slept: list[float] = []

    def work(self, seconds: float, cpu: float) -> None:
        self.now += seconds
        self.cpu += cpu

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    """Replace the time of SingleFlight."""
    clocks = Clocks()
    monkeypatch.setattr(asyncio, "sleep", clocks.sleep)
    return clocks


@pytest.fixture
def flight(worker: Worker, clocks: Clocks) -> SingleFlight[int]:
    """Give scrapes that are numbered 1, 2, 3."""
    numbers = count(1)
    return SingleFlight(
        worker,
        lambda: next(numbers),
        clock=lambda: clocks.now,
        cpu_clock=lambda: clocks.cpu,
    )


def run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    return asyncio.run(main())


async def idle(flight: SingleFlight[int]) -> None:
    """Wait until *flight* has rested."""
    if flight._task:
        await flight._task


def test_requests_that_wait_share_a_scrape(flight: SingleFlight[int]) -> None:
    """Whatever they want, and each result is made once."""
    made: list[str] = []

    def wanting(key: str) -> Callable[[int], str]:
        return lambda scrape: made.append(key) or f"{key}{scrape}"  # type: ignore[func-returns-value]

    async def main() -> list[str]:
        return await asyncio.gather(*(flight.get(key, wanting(key)) for key in "abab"))

    assert ["a1", "b1", "a1", "b1"] == run(main)
    assert ["a", "b"] == made


def test_a_request_during_a_scrape_gets_the_next(flight: SingleFlight[int]) -> None:
    """An answer is never from a scrape that began before the request."""
    began, gate = threading.Event(), threading.Event()

    def slow(scrape: int) -> int:
        began.set()
        assert gate.wait(5)
        return scrape

    async def main() -> list[int]:
        first = flight.get("same key", slow)
        await asyncio.to_thread(began.wait, 5)
        later = [flight.get("same key", slow) for _ in range(3)]
        gate.set()
        return await asyncio.gather(first, *later)

    assert [1, 2, 2, 2] == run(main)


def test_a_scrape_rests_as_long_as_it_took(
    flight: SingleFlight[int], clocks: Clocks
) -> None:
    """The next scrape begins no sooner than the last one took after its end."""
    begins = []

    def scrape(number: int) -> int:
        begins.append(clocks.now)
        clocks.work(0.3, cpu=0.1)
        return number

    async def main() -> None:
        for _ in range(3):
            await flight.get("", scrape)
        await idle(flight)

    run(main)
    assert pytest.approx([1000, 1000.6, 1001.2]) == begins


def test_half_a_core(flight: SingleFlight[int], clocks: Clocks) -> None:
    """CPU time of answers counts, too: more than half of the whole time is idle."""

    async def main() -> None:
        await flight.get("", lambda _: clocks.work(0.1, cpu=0.1))
        clocks.work(0, cpu=0.2)  # the answers
        await idle(flight)

    run(main)
    assert pytest.approx(1000 + 0.3 / 0.45) == clocks.now


def test_other_work_delays_a_scrape_by_little(
    flight: SingleFlight[int], clocks: Clocks
) -> None:
    """However busy other threads are, the rest is at most half a second longer."""

    async def main() -> None:
        await flight.get("", lambda _: clocks.work(0.1, cpu=0.1))
        clocks.work(0, cpu=60)
        await idle(flight)

    run(main)
    assert pytest.approx(1000 + 0.1 + 0.1 + 0.5) == clocks.now


def test_a_stalled_scrape_rests_a_second(
    flight: SingleFlight[int], clocks: Clocks
) -> None:
    """A scrape that waited for the kernel for a minute does not delay the next one."""

    async def main() -> None:
        await flight.get("", lambda _: clocks.work(60, cpu=0.2))
        await idle(flight)

    run(main)
    assert pytest.approx(1000 + 60 + 1) == clocks.now


def test_cancelled_requests_cost_nothing(flight: SingleFlight[int]) -> None:
    """A scrape does not begin, and a result is not made, for clients that have left."""
    made: list[int] = []

    async def main() -> int:
        flight.get("gone", made.append).cancel()
        await idle(flight)
        flight.get("gone", made.append).cancel()
        number = await flight.get("", lambda scrape: scrape)
        await idle(flight)
        return number

    assert 1 == run(main)
    assert [] == made


def test_exception_is_shared(flight: SingleFlight[int]) -> None:
    """All requests get the exception of their result; others get their results."""

    async def main() -> list[BaseException | float]:
        calls: list[Awaitable[float]] = [
            flight.get("bad", lambda _: 1 / 0) for _ in range(2)
        ]
        calls += [flight.get("good", lambda number: number)]
        return await asyncio.gather(*calls, return_exceptions=True)

    first, second, good = run(main)
    assert ZeroDivisionError is type(first) is type(second)
    assert 1 == good


def test_a_scrape_that_cannot_begin(worker: Worker) -> None:
    """All requests get the exception, and the next request tries again."""
    divisors = iter([0, 1])
    flight = SingleFlight(worker, lambda: 7 // next(divisors))

    async def main() -> int:
        with pytest.raises(ZeroDivisionError):
            await flight.get("", lambda scrape: scrape)
        return await flight.get("", lambda scrape: scrape)

    assert 7 == run(main)


def test_the_end_of_a_scrape(worker: Worker) -> None:
    """A scrape ends after all of its results are made, and before the next begins."""
    log: list[str] = []
    flight = SingleFlight(
        worker, lambda: log.append("begin"), lambda _: log.append("end")
    )

    async def main() -> None:
        await asyncio.gather(
            *(flight.get(key, lambda _: log.append("make")) for key in "ab")
        )
        await flight.get("", lambda _: None)
        await idle(flight)  # type: ignore[arg-type]

    run(main)
    assert ["begin", "make", "make", "end", "begin", "end"] == log


def test_scrapes_go_on_after_an_error_at_the_end(
    worker: Worker, clocks: Clocks, caplog: pytest.LogCaptureFixture
) -> None:
    """An error while a scrape's readings are dropped is logged, and ends nothing."""
    numbers = count(1)

    def end(_: int) -> None:
        raise MemoryError

    flight = SingleFlight(
        worker,
        lambda: next(numbers),
        end,
        clock=lambda: clocks.now,
        cpu_clock=lambda: clocks.cpu,
    )

    async def main() -> list[int]:
        answers = []
        for _ in range(2):
            answers.append(await flight.get("key", lambda number: number))
            await idle(flight)
        return answers

    assert [1, 2] == run(main)
    assert ["cannot drop what a scrape has read"] * 2 == caplog.messages
