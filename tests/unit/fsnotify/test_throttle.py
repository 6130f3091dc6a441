"""When items may be read again by their cost, with a clock that the test sets."""

from __future__ import annotations

import threading
import time

import pytest

from fanotify_exporter.fsnotify.throttle import UserBudget, yielding_gil


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def users(clock: Clock) -> UserBudget:
    return UserBudget(clock)


def test_items_of_users_share_a_budget(users: UserBudget, clock: Clock) -> None:
    """A thousand items of users take 0.5 % of a CPU in all."""
    started, spent = clock.now, 0.0
    while clock.now < started + 1000:
        for _ in range(1000):
            if users.is_due():
                users.record(0.004)
                spent += 0.004
        clock.now += 1
    assert pytest.approx(0.005, rel=0.01) == spent / 1000


def test_saved_time_of_users(users: UserBudget, clock: Clock) -> None:
    """Users save up the time of one poll at most."""
    clock.now += 1000
    for _ in range(6):
        assert users.is_due()
        users.record(0.00095)
    assert not users.is_due()


def test_expensive_item_of_a_user(users: UserBudget, clock: Clock) -> None:
    """After an item of 0.3 s no item of a user is due for a minute."""
    users.record(0.3)
    clock.now += 58.9
    assert not users.is_due()
    clock.now += 0.2
    assert users.is_due()


@pytest.mark.parametrize("every", [1, 2, 7, 8])
def test_yielding_gil_keeps_the_items(every: int) -> None:
    """All items are yielded, in order."""
    assert list(range(7)) == list(yielding_gil(range(7), every))


def test_yielding_gil_lets_another_thread_run() -> None:
    """Another thread runs between the items, and not only after the last."""
    wakeups = []
    done = threading.Event()

    def wait_often() -> None:
        while not done.is_set():
            time.sleep(0.0001)
            wakeups.append(time.perf_counter())

    other = threading.Thread(target=wait_often)
    other.start()
    for _ in yielding_gil(range(100), every=1):
        busy = time.perf_counter() + 0.001  # less than the switch interval of 5 ms
        while time.perf_counter() < busy:
            pass
    done.set()
    other.join()
    assert len(wakeups) >= 20
