"""Deadlocks of listeners in successive passes over the waiting tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest

from fanotify_exporter.fsnotify.deadlocks import (
    MIN_SECONDS,
    UNCHANGED_SECONDS,
    DeadlockDetector,
    listener_waits,
)
from fanotify_exporter.fsnotify.waits import PermissionGroup, Waiter, WaitScan


# The time of a second pass that finds a cycle unchanged for long enough. The first pass
# is at 100.
LATER = 100.0 + UNCHANGED_SECONDS

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
    return deadlocked(scan(edges), scan(edges, LATER))


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
    later = replace(pair, scanned=LATER)
    assert set() == deadlocked(pair)
    assert set() == deadlocked(pair, scan([], 102.0), later)
    assert {1, 2} == deadlocked(pair, replace(pair, scanned=102.0), later)


def test_a_deadlock_lasts() -> None:
    """A deadlock is found in every pass until it ends."""
    detector = DeadlockDetector()
    edges = [(1, 2), (2, 1)]
    passes = [scan(edges, 100 + number) for number in range(9)]
    found = [detector.observe(each).deadlocked for each in passes]
    assert [*[set()] * 5, *[{1, 2}] * 4] == found
    assert set() == detector.observe(scan([(1, 2)], 110.0)).deadlocked


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [(0.0, 0.0, {1, 2}), (-0.5, 0.0, set()), (0.0, -0.5, set())],
)
def test_minimum_age(first: float, second: float, found: set[int]) -> None:
    """Each wait of the cycle is MIN_SECONDS old in all passes of UNCHANGED_SECONDS."""
    waiters = waiter((1, 2), since=0.0), waiter((2, 1), since=95.0)
    times = 95.0 + MIN_SECONDS + first, 95.0 + MIN_SECONDS + UNCHANGED_SECONDS + second
    assert found == deadlocked(
        *(replace(scan([], now), waiters=waiters) for now in times)
    )


@pytest.mark.parametrize("phase", [0.0, 0.25, 0.5, 0.75])
def test_slow_pair(phase: float) -> None:
    """Two listeners that answer each event after 7 s are not deadlocked."""
    detector = DeadlockDetector()
    for number in range(100):
        now = 100 + phase + number
        answered = int(now // 7)
        slow = scan([(1, 2), (2, 1)], now, 7.0 * answered, {1: answered, 2: answered})
        assert not detector.observe(slow).deadlocked


def test_busy_pair() -> None:
    """Two listeners that block each other again and again are not deadlocked."""
    detector = DeadlockDetector()
    for number in range(300):
        now = 100 + 2 * number
        # In every pass there is a cycle, of new waits.
        busy = scan([(1, 2), (2, 1)], now, now - 0.5, {1: number, 2: number})
        assert not detector.observe(busy).deadlocked


@pytest.mark.parametrize("changed", [1, 2])
def test_answering_listener(changed: int) -> None:
    """A listener whose other threads answer is not deadlocked."""
    edges = [(1, 2), (2, 1)]
    after = scan(edges, LATER, answers={changed: 1})
    assert set() == deadlocked(scan(edges), after)


def test_answers_outside_the_cycle() -> None:
    """Answers of a listener that is not in the cycle are no progress of the cycle."""
    edges = [(1, 2), (2, 1), (2, 3), (3, 2)]
    after = scan(edges, LATER, answers={3: 1})
    assert {1, 2} == deadlocked(scan(edges), after)


def test_wait_that_is_another() -> None:
    """A task that waits again, or another task, is not the wait of the last pass."""
    before = [waiter((1, 2), 10.0), waiter((2, 1), 10.0)]
    for other in (waiter((2, 1), 11.0), waiter((2, 1), 10.0, thread=1)):
        passes = (
            replace(scan([], now), waiters=tuple(waiters))
            for now, waiters in ((100, before), (LATER, [before[0], other]))
        )
        assert set() == deadlocked(*passes)


def test_several_threads() -> None:
    """A wait that stands is enough, whatever other threads of the listener do."""

    def one_pass(now: float, moment: float) -> WaitScan:
        standing = waiter((1, 2)), waiter((2, 1))
        moving = waiter((1, 2), moment, thread=1), waiter((1, 3), moment, thread=2)
        return replace(scan([], now), waiters=(*standing, *moving))

    assert {1, 2} == deadlocked(one_pass(100, 99.5), one_pass(LATER, LATER - 0.5))


@pytest.mark.parametrize(
    "changes", [{"listener": 9}, {"group_class": "pre_content"}, {"answers": 3}]
)
def test_reused_address(changes: dict[str, object]) -> None:
    """A new group at the address of a closed group is another group."""
    edges = [(1, 2), (3, 2), (2, 1)]
    before, after = scan(edges), scan(edges, LATER)
    first, *others = after.groups
    other = replace(first, **changes)  # type: ignore[arg-type]
    assert set() == deadlocked(before, replace(after, groups=(other, *others)))


def test_processes_of_a_group_without_listener() -> None:
    """If the listener is unknown, each process that has the group open is one."""
    unknown = replace(group(1), listener=0, holders=frozenset({7, 8}))
    one = WaitScan((unknown, group(2)), (waiter((8, 2)), waiter((2, 1))), 100.0)
    assert {1, 2} == deadlocked(one, replace(one, scanned=LATER))


def test_helper_of_a_known_listener() -> None:
    """A process that only holds the group of a known listener is no listener."""
    helped = replace(group(1), holders=frozenset({1, 8}))
    one = WaitScan((helped, group(2)), (waiter((8, 2)), waiter((2, 1))), 100.0)
    assert set() == deadlocked(one, replace(one, scanned=LATER))


@pytest.mark.parametrize("listener", [0, 6])
def test_listener_that_was_started_again(listener: int) -> None:
    """A new process with the group of one that is gone is the listener."""
    kept = replace(group(1), listener=listener, holders=frozenset({1, 8}))
    one = WaitScan((kept, group(2)), (waiter((8, 2)), waiter((2, 1))), 100.0)
    assert {1, 2} == deadlocked(one, replace(one, scanned=LATER))


@pytest.mark.parametrize(("listener", "found"), [(6, set()), (0, set()), (1, {1, 2})])
def test_init_with_a_group(listener: int, found: set[int]) -> None:
    """Process 1, which keeps groups for services, is a listener only if it answers."""
    kept = replace(group(1), listener=listener, holders=frozenset({1, 8}))
    one = WaitScan((kept, group(2)), (waiter((1, 2)), waiter((2, 1))), 100.0)
    assert found == deadlocked(one, replace(one, scanned=LATER))


def test_two_processes_of_a_listener() -> None:
    """While one process waits the other may answer; both together are deadlocked."""
    shared = replace(group(1), listener=7, holders=frozenset({7, 8}))
    free = WaitScan((shared, group(2)), (waiter((8, 2)), waiter((2, 1))), 100.0)
    assert set() == deadlocked(free, replace(free, scanned=LATER))
    both = replace(free, waiters=(*free.waiters, waiter((7, 2))))
    assert {1, 2} == deadlocked(both, replace(both, scanned=LATER))


def test_process_with_two_groups() -> None:
    """A listener of two groups that waits for one of them deadlocks that group only."""
    second = replace(group(2), listener=1)
    one = WaitScan((group(1), second), (waiter((1, 1)),), 100.0)
    assert {1} == deadlocked(one, replace(one, scanned=LATER))
    edges = {(wait.group.address, wait.on.address) for wait in listener_waits(one)}
    assert {(1, 1), (2, 1)} == edges


def test_crowd_before_a_group() -> None:
    """A group with more waiting tasks than a pass counts can be deadlocked."""
    edges = [(1, 2), (2, 1)]
    passes = [
        replace(each, groups=tuple(replace(one, is_cut=True) for one in each.groups))
        for each in (scan(edges), scan(edges, LATER))
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
        replace(scan([(1, 2), (2, 1)], now), is_exact=False) for now in (100, LATER)
    ]
    assert set() == deadlocked(*passes)
    assert [] == list(listener_waits(passes[0]))


def test_rest_of_the_pass() -> None:
    """Apart from the deadlocks, a pass stays as it was."""
    one = scan([(1, 1)])
    assert one == DeadlockDetector().observe(one)
