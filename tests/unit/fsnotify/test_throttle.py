"""What reading cost in, when to read again out; the clock is the test's."""

from __future__ import annotations

import threading
import time

import pytest

from fanotify_exporter.fsnotify.throttle import ScanBudget, yielding_gil


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pace(clock: Clock) -> ScanBudget:
    return ScanBudget(clock)


def test_what_is_new_is_due(pace: ScanBudget) -> None:
    """What was never read may be read at once."""
    assert pace.due("new")


def test_what_is_cheap_is_due_in_each_round(pace: ScanBudget) -> None:
    """What takes less than 20 ms may be read in the very next round."""
    pace.took("cheap", 0.0199)
    assert pace.due("cheap")


def test_what_is_dear_rests(pace: ScanBudget, clock: Clock) -> None:
    """What took t seconds is due again after 50 t."""
    pace.took("dear", 0.3)
    clock.now += 14.9
    assert not pace.due("dear")
    clock.now += 0.2
    assert pace.due("dear")


def test_what_is_dear_delays_no_other(pace: ScanBudget) -> None:
    """A giant neither holds up another thing nor the next round."""
    pace.took("dear", 5)
    assert pace.due("other")
    assert pace.pause() == 1


def test_what_became_cheap_is_due(pace: ScanBudget) -> None:
    """Only the last cost counts."""
    pace.took("shrunk", 1)
    pace.took("shrunk", 0.001)
    assert pace.due("shrunk")


def test_many_dear_things_share_their_part(pace: ScanBudget, clock: Clock) -> None:
    """Read whenever they are due, 20 giants take 2 % of a CPU and not 40 %."""
    started, spent = clock.now, 0.0
    while clock.now < started + 10_000:
        for giant in range(20):
            if pace.due(giant):
                pace.took(giant, 0.5)
                clock.now += 0.5
                spent += 0.5
        clock.now += pace.pause()
    assert spent / (clock.now - started) < 0.025


def test_many_cheap_things_slow_the_rounds(pace: ScanBudget) -> None:
    """A thousand things of 1 ms each are read every 50 s, which is 2 % of a CPU."""
    for thing in range(1000):
        pace.took(thing, 0.001)
    assert pytest.approx(50) == pace.pause()


def test_rounds_come_each_second(pace: ScanBudget) -> None:
    """A pause counts only what was read since the one before."""
    pace.took("cheap", 0.0199)
    assert pace.pause() == 1
    assert pace.pause() == 1


def test_what_ended_is_forgotten(pace: ScanBudget, clock: Clock) -> None:
    """A giant that is gone costs the others nothing."""
    pace.took("gone", 10)
    pace.keep({"dear"})
    pace.took("dear", 0.1)
    clock.now += 5.1
    assert pace.due("dear")
    assert pace.due("gone")


@pytest.mark.parametrize("every", [1, 2, 7, 8])
def test_breaks_change_nothing(every: int) -> None:
    """All items come, in their order."""
    assert list(range(7)) == list(yielding_gil(range(7), every))


def test_another_thread_gets_its_turn() -> None:
    """Who waits for Python's lock gets it in a break, and not at the end of all."""
    turns = []
    done = threading.Event()

    def wait_often() -> None:
        while not done.is_set():
            time.sleep(0.0001)
            turns.append(time.perf_counter())

    other = threading.Thread(target=wait_often)
    other.start()
    for _ in yielding_gil(range(100), every=1):
        busy = time.perf_counter() + 0.001  # less than Python's own 5 ms
        while time.perf_counter() < busy:
            pass
    done.set()
    other.join()
    assert len(turns) >= 20
