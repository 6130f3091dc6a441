"""
Find permission listeners that wait for each other, or for themselves.

The kernel does not except a listener from permission events: a listener that opens a
marked file waits for an answer like every other process. Two listeners that wait for
each other never answer. The graph has a node for each permission group, and an edge
from a group to each group that a task of its listener waits for. A cycle through a
process that is no listener is not in the graph.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Final

from fanotify_exporter.fsnotify.waits import PermissionGroup, WaitScan


# A listener may wait for another for a moment while other threads of both answer.
MIN_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class ListenerWait:
    """
    A task of a listener that waits for a listener.

    Attributes:
        group: the group whose listener waits.
        on: the group whose answer the task waits for; may be *group*.
        tid: thread id of the task.
        since: CLOCK_BOOTTIME of the wait's begin, seconds.
    """

    group: PermissionGroup
    on: PermissionGroup
    tid: int
    since: float

    @property
    def identity(self) -> tuple[object, ...]:
        """
        Return a value that is equal in two passes if nothing changed between them.

        Nothing changed if the task is still in the same wait, neither group answered,
        and neither address was reused for another group.
        """
        return _identity(self.group), _identity(self.on), self.tid, self.since


def _identity(group: PermissionGroup) -> tuple[object, ...]:
    return group.address, group.group_class, group.listener, group.answers


def listener_waits(scan: WaitScan) -> Iterator[ListenerWait]:
    """
    Yield the waits of listeners for listeners.

    The listener of a group is the process *listener*, or each of *holders* if the
    listener is unknown. A scan that only guesses a task's group has no such waits.
    """
    if not scan.is_exact:
        return
    groups = {group.address: group for group in scan.groups}
    held = defaultdict[int, list[PermissionGroup]](list)
    for group in scan.groups:
        for pid in {group.listener} if group.listener else group.holders:
            held[pid].append(group)
    for waiter in scan.waiters:
        if waiter.group in groups:
            on = groups[waiter.group]
            for group in held.get(waiter.pid, ()):
                yield ListenerWait(group, on, waiter.tid, waiter.since)


class DeadlockDetector:
    """Find deadlocks by comparing each pass with the pass before."""

    def __init__(self) -> None:
        """Start without an earlier pass."""
        self._before: frozenset[tuple[object, ...]] = frozenset()

    def observe(self, scan: WaitScan) -> WaitScan:
        """
        Return *scan* with *deadlocked* filled in. Call this once for each pass.

        A group is deadlocked if it is in a cycle of waits that each began at least
        MIN_SECONDS ago, and if since the last pass no such wait ended and no group of
        the cycle answered.
        """
        waits = list(listener_waits(scan))
        graph = defaultdict[int, set[int]](set)
        for wait in waits:
            is_old = scan.scanned - wait.since >= MIN_SECONDS
            if is_old and wait.identity in self._before:
                graph[wait.group.address].add(wait.on.address)
        self._before = frozenset(wait.identity for wait in waits)
        return replace(scan, deadlocked=_on_cycles(graph))


def _on_cycles(graph: Mapping[int, AbstractSet[int]]) -> frozenset[int]:
    """Return the nodes of *graph* that are reachable from themselves."""
    return frozenset(node for node in graph if _reaches(graph, node, node))


def _reaches(graph: Mapping[int, AbstractSet[int]], start: int, goal: int) -> bool:
    """Return whether at least one edge leads from *start* to *goal*."""
    seen = set[int]()
    pending = [start]
    while pending:
        following = graph.get(pending.pop(), frozenset())
        if goal in following:
            return True
        pending += following - seen
        seen |= following
    return False
