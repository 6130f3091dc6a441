"""When items may be read again by their cost, with a clock that the test sets."""

from __future__ import annotations

import threading
import time

import pytest

from fanotify_exporter.fsnotify.throttle import ScanBudget, UserBudget, yielding_gil


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
def budget(clock: Clock) -> ScanBudget:
    return ScanBudget(clock)


@pytest.fixture
def users(clock: Clock) -> UserBudget:
    return UserBudget(clock)


def test_new_item_is_due(budget: ScanBudget) -> None:
    """An item that was never read is due."""
    assert budget.is_due("new")


def test_cheap_item_is_due_in_each_poll(budget: ScanBudget) -> None:
    """An item that takes less than 20 ms is due in the next poll."""
    budget.record("cheap", 0.0199)
    assert budget.is_due("cheap")


def test_expensive_item_is_due_later(budget: ScanBudget, clock: Clock) -> None:
    """An item that took t seconds is due again after 50 t."""
    budget.record("expensive", 0.3)
    clock.now += 14.9
    assert not budget.is_due("expensive")
    clock.now += 0.2
    assert budget.is_due("expensive")


def test_expensive_item_delays_no_other(budget: ScanBudget) -> None:
    """An expensive item delays no other item."""
    budget.record("expensive", 5)
    assert budget.is_due("other")


def test_item_that_became_cheap_is_due(budget: ScanBudget) -> None:
    """Only the latest cost of an item counts."""
    budget.record("shrunk", 1)
    budget.record("shrunk", 0.001)
    assert budget.is_due("shrunk")


def test_expensive_items_share_the_budget(budget: ScanBudget, clock: Clock) -> None:
    """20 expensive items, read whenever due, take 2 % of a CPU and not 40 %."""
    started, spent = clock.now, 0.0
    while clock.now < started + 10_000:
        for item in range(20):
            if budget.is_due(item):
                budget.record(item, 0.5)
                clock.now += 0.5
                spent += 0.5
        clock.now += 1
    assert spent / (clock.now - started) < 0.025


def test_only_expensive_items_are_no_cost_of_the_poll(budget: ScanBudget) -> None:
    """The cost of an expensive item is not counted among the poll's."""
    assert [False, True] == [budget.record("item", cost) for cost in (0.0199, 0.02)]


def test_items_of_users_share_a_budget(users: UserBudget, clock: Clock) -> None:
    """A thousand items of users take 1 % of a CPU in all."""
    started, spent = clock.now, 0.0
    while clock.now < started + 1000:
        for item in range(1000):
            if users.is_due(item):
                assert users.record(item, 0.004)
                spent += 0.004
        clock.now += 1
    assert pytest.approx(0.01, rel=0.01) == spent / 1000


def test_saved_time_of_users(users: UserBudget, clock: Clock) -> None:
    """Users save up the time of one poll at most."""
    clock.now += 1000
    for item in range(6):
        assert users.is_due(item)
        users.record(item, 0.0019)
    assert not users.is_due(6)


def test_expensive_item_of_a_user(users: UserBudget, clock: Clock) -> None:
    """After an item of 0.3 s no item of a user is due for half a minute."""
    users.record("expensive", 0.3)
    clock.now += 28.9
    assert not users.is_due("other")
    clock.now += 0.2
    assert users.is_due("other")


def test_forgotten_item_costs_nothing(budget: ScanBudget, clock: Clock) -> None:
    """The cost of an item that was not retained does not delay other items."""
    budget.record("gone", 10)
    budget.retain({"expensive"})
    budget.record("expensive", 0.1)
    clock.now += 5.1
    assert budget.is_due("expensive")
    assert budget.is_due("gone")


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
