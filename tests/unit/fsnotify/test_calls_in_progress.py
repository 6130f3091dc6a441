"""Which calls of successive passes are the same call, and long."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fanotify_exporter.fsnotify import calls_in_progress
from fanotify_exporter.fsnotify.calls_in_progress import CallTracker, OngoingCall


CALL = OngoingCall(23, 1, "av", privileged=True, registers=7, sleeps=100)


class Passes:
    """A tracker, and its clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.tracker = CallTracker(lambda: self.now)

    def after(self, seconds: float, *calls: OngoingCall) -> tuple[OngoingCall, ...]:
        """Return the long calls of a pass *seconds* after the last."""
        self.now += seconds
        return self.tracker.observe(calls)


@pytest.fixture
def passes() -> Passes:
    return Passes()


def test_a_long_call(passes: Passes) -> None:
    """A call is long ten seconds after a pass has seen the call first."""
    found = [passes.after(seconds, CALL) for seconds in (0, 5, 4.9, 0.1, 5)]
    assert [(), (), (), (CALL,), (CALL,)] == found


def test_a_call_that_ended(passes: Passes) -> None:
    """A call that a pass did not see has ended; the next call is another one."""
    for seconds in (0, 10):
        passes.after(seconds, CALL)
    assert () == passes.after(5)
    assert () == passes.after(5, CALL)
    assert (CALL,) == passes.after(10, CALL)


@pytest.mark.parametrize(
    "other",
    [
        replace(CALL, registers=8),
        replace(CALL, started=2),
        replace(CALL, tid=24),
        replace(CALL, sleeps=106),
    ],
)
def test_another_call(other: OngoingCall, passes: Passes) -> None:
    """Other registers, another thread, or many sleeps are another call."""
    passes.after(0, CALL)
    passes.after(5, CALL)
    assert () == passes.after(5, other)
    assert (other,) == passes.after(10, other)


def test_tries_again(passes: Passes) -> None:
    """A client that tries again once a second is in the same call."""
    found: tuple[OngoingCall, ...] = ()
    for number in range(3):
        found = passes.after(5, replace(CALL, sleeps=100 + 5 * number))
    assert 1 == len(found)


def test_bound(passes: Passes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads of users are bounded, and privileged threads are not."""
    monkeypatch.setattr(calls_in_progress, "MAX_USER_THREADS", 2)
    users = [replace(CALL, tid=tid, privileged=False) for tid in range(100, 105)]
    calls = (*users, CALL)
    passes.after(0, *calls)
    assert (*users[:2], CALL) == passes.after(10, *calls)
