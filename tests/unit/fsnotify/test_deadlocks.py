"""Deadlocks of listeners in successive passes over the waiting tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest

from fanotify_exporter.fsnotify.deadlocks import (
    MIN_SECONDS,
    DeadlockDetector,
    listener_waits,
)
from fanotify_exporter.fsnotify.waits import PermissionGroup, Waiter, WaitScan


# Seconds between two passes.
INTERVAL = 2.0

# Processes and groups are numbered alike: process 1 is the listener of group 1.
Edge = tuple[int, int]


def group(number: int, answers: int = 0) -> PermissionGroup:
    return PermissionGroup(
        address=number,
        comm=f"listener{number}",
        group_class="content",
        listener=number,
        holders=frozenset({number}),
        waiting=1,
        oldest_since=0.0,
        answers=answers,
    )


def waiter(edge: Edge, since: float = 0.0, thread: int = 0) -> Waiter:
    """Return a task of process edge[0] that waits for group edge[1]."""
    pid, on = edge
    return Waiter(100 * pid + thread, pid, f"listener{pid}", on, since)


def scan(
    edges: Iterable[Edge],
    now: float = 100.0,
    since: float = 0.0,
    answers: Mapping[int, int] | None = None,
) -> WaitScan:
    """Return a pass with the groups 1 to 5 and a waiting task for each edge."""
    counts = answers or {}
    groups = tuple(group(number, counts.get(number, 0)) for number in range(1, 6))
    return WaitScan(groups, tuple(waiter(edge, since) for edge in edges), now)


def deadlocked(*scans: WaitScan) -> set[int]:
    """Return the deadlocked groups of the last of successive passes."""
    detector = DeadlockDetector()
    return {*[detector.observe(each) for each in scans][-1].deadlocked}


def twice(*edges: Edge) -> set[int]:
    return deadlocked(scan(edges), scan(edges, 100 + INTERVAL))


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ([], set()),
        ([(1, 2)], set()),
        ([(1, 1)], {1}),
        ([(1, 2), (2, 1)], {1, 2}),
        ([(1, 2), (2, 3), (3, 1)], {1, 2, 3}),
        ([(1, 2), (2, 3), (3, 4), (4, 5)], set()),
        # A third listener waits for a listener of a pair, or a pair waits for it.
        ([(1, 2), (2, 1), (3, 1)], {1, 2}),
        ([(1, 2), (2, 1), (1, 3)], {1, 2}),
        ([(1, 2), (2, 1), (3, 3)], {1, 2, 3}),
        ([(1, 2), (2, 1), (2, 3), (3, 4), (4, 3)], {1, 2, 3, 4}),
        # The third listener is only between two deadlocks.
        ([(1, 1), (1, 3), (3, 2), (2, 2)], {1, 2}),
    ],
)
def test_cycles(edges: list[Edge], expected: set[int]) -> None:
    """The listeners of each cycle are deadlocked, and those that only wait are not."""
    assert expected == twice(*edges)


def test_one_pass_is_not_enough() -> None:
    """A cycle has to be there in two passes, one after the other."""
    pair = scan([(1, 2), (2, 1)])
    nothing = scan([], 100 + INTERVAL)
    assert set() == deadlocked(pair)
    assert set() == deadlocked(pair, nothing, replace(pair, scanned=104.0))


def test_a_deadlock_lasts() -> None:
    """A deadlock is found in every pass until it ends."""
    detector = DeadlockDetector()
    edges = [(1, 2), (2, 1)]
    passes = [scan(edges, 100 + number) for number in range(5)]
    found = [detector.observe(each).deadlocked for each in passes]
    assert [set(), {1, 2}, {1, 2}, {1, 2}, {1, 2}] == found
    assert set() == detector.observe(scan([(1, 2)], 110.0)).deadlocked


@pytest.mark.parametrize(("seconds", "found"), [(-0.5, set()), (0.0, {1, 2})])
def test_minimum_age(seconds: float, found: set[int]) -> None:
    """Every wait of the cycle is at least MIN_SECONDS old."""
    old, young = waiter((1, 2), since=0.0), waiter((2, 1), since=95.0)
    now = 95.0 + MIN_SECONDS + seconds
    passes = [
        replace(scan([], now - INTERVAL), waiters=(old, young)),
        replace(scan([], now), waiters=(old, young)),
    ]
    assert found == deadlocked(*passes)


def test_busy_pair() -> None:
    """Two listeners that block each other again and again are not deadlocked."""
    detector = DeadlockDetector()
    for number in range(300):
        now = 100 + INTERVAL * number
        # In every pass there is a cycle, of new waits.
        busy = scan([(1, 2), (2, 1)], now, now - 0.5, {1: number, 2: number})
        assert not detector.observe(busy).deadlocked


@pytest.mark.parametrize("changed", [1, 2])
def test_answering_listener(changed: int) -> None:
    """A listener whose other threads answer is not deadlocked."""
    edges = [(1, 2), (2, 1)]
    after = scan(edges, 100 + INTERVAL, answers={changed: 1})
    assert set() == deadlocked(scan(edges), after)


def test_answers_outside_the_cycle() -> None:
    """Answers of a listener that is not in the cycle are no progress of the cycle."""
    edges = [(1, 2), (2, 1), (2, 3), (3, 2)]
    after = scan(edges, 100 + INTERVAL, answers={3: 1})
    assert {1, 2} == deadlocked(scan(edges), after)


def test_wait_that_is_another() -> None:
    """A task that waits again, or another task, is not the wait of the last pass."""
    before = [waiter((1, 2), 10.0), waiter((2, 1), 10.0)]
    for other in (waiter((2, 1), 11.0), waiter((2, 1), 10.0, thread=1)):
        passes = (
            replace(scan([], now), waiters=tuple(waiters))
            for now, waiters in ((100, before), (102, [before[0], other]))
        )
        assert set() == deadlocked(*passes)


def test_several_threads() -> None:
    """A wait that stands is enough, whatever other threads of the listener do."""

    def one_pass(now: float, moment: float) -> WaitScan:
        standing = waiter((1, 2)), waiter((2, 1))
        moving = waiter((1, 2), moment, thread=1), waiter((1, 3), moment, thread=2)
        return replace(scan([], now), waiters=(*standing, *moving))

    assert {1, 2} == deadlocked(one_pass(100, 99.5), one_pass(102, 101.5))


@pytest.mark.parametrize(
    "changes", [{"listener": 9}, {"group_class": "pre_content"}, {"answers": 3}]
)
def test_reused_address(changes: dict[str, object]) -> None:
    """A new group at the address of a closed group is another group."""
    edges = [(1, 2), (3, 2), (2, 1)]
    before, after = scan(edges), scan(edges, 100 + INTERVAL)
    first, *others = after.groups
    other = replace(first, **changes)  # type: ignore[arg-type]
    assert set() == deadlocked(before, replace(after, groups=(other, *others)))


def test_processes_of_a_group_without_listener() -> None:
    """If the listener is unknown, each process that has the group open is one."""
    unknown = replace(group(1), listener=0, holders=frozenset({7, 8}))
    one = WaitScan((unknown, group(2)), (waiter((8, 2)), waiter((2, 1))), 100.0)
    assert {1, 2} == deadlocked(one, replace(one, scanned=102.0))


def test_helper_of_a_known_listener() -> None:
    """A process that only holds the group of a known listener is no listener."""
    helped = replace(group(1), holders=frozenset({1, 8}))
    one = WaitScan((helped, group(2)), (waiter((8, 2)), waiter((2, 1))), 100.0)
    assert set() == deadlocked(one, replace(one, scanned=102.0))


def test_process_with_two_groups() -> None:
    """A listener of two groups that waits for one of them deadlocks that group only."""
    second = replace(group(2), listener=1)
    one = WaitScan((group(1), second), (waiter((1, 1)),), 100.0)
    assert {1} == deadlocked(one, replace(one, scanned=102.0))
    edges = {(wait.group.address, wait.on.address) for wait in listener_waits(one)}
    assert {(1, 1), (2, 1)} == edges


def test_crowd_before_a_group() -> None:
    """A group with more waiting tasks than a pass counts can be deadlocked."""
    edges = [(1, 2), (2, 1)]
    passes = [
        replace(each, groups=tuple(replace(one, is_cut=True) for one in each.groups))
        for each in (scan(edges), scan(edges, 100 + INTERVAL))
    ]
    assert {1, 2} == deadlocked(*passes)


def test_listener_waits() -> None:
    """Each wait of a listener for a listener has both groups; other waits are none."""
    others = Waiter(7, 7, "cat", 1, 50.0), Waiter(8, 8, "gone", 99, 50.0)
    listener = waiter((2, 99)), waiter((2, 3), 60.0, thread=1)
    found = list(listener_waits(replace(scan([(1, 2)]), waiters=(*others, *listener))))
    assert [("listener2", "listener3", 201, 60.0)] == [
        (wait.group.comm, wait.on.comm, wait.tid, wait.since) for wait in found
    ]


def test_guessed_groups() -> None:
    """A pass that only guesses the group of a task has no waits of listeners."""
    passes = [
        replace(scan([(1, 2), (2, 1)], now), is_exact=False) for now in (100, 102)
    ]
    assert set() == deadlocked(*passes)
    assert [] == list(listener_waits(passes[0]))


def test_rest_of_the_pass() -> None:
    """Apart from the deadlocks, a pass stays as it was."""
    one = scan([(1, 1)])
    assert one == DeadlockDetector().observe(one)
