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

# For so long passes see a cycle of waits that are MIN_SECONDS old, without any change,
# before it is a deadlock: a slow listener may need some seconds for an answer.
UNCHANGED_SECONDS: Final = 5.0

# systemd keeps a group for a service that starts again (FileDescriptorStoreMax=).
INIT_PID: Final = 1


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


def _listeners(group: PermissionGroup) -> AbstractSet[int]:
    """
    Return the processes without which nobody answers for *group*.

    That is the process that answered last. If that has no descriptor of the group any
    more, or if nobody has answered, that is each process that has one: a service that
    was started again, or another process of the listener.
    """
    if group.listener in group.holders:
        return {group.listener}
    return (group.holders - {INIT_PID}) | ({group.listener} - {0})


def listener_waits(scan: WaitScan) -> Iterator[ListenerWait]:
    """
    Yield the waits of listeners for listeners.

    A scan that only guesses a task's group has no such waits.
    """
    if not scan.is_exact:
        return
    groups = {group.address: group for group in scan.groups}
    held = defaultdict[int, list[PermissionGroup]](list)
    for group in scan.groups:
        for pid in _listeners(group):
            held[pid].append(group)
    for waiter in scan.waiters:
        if waiter.group in groups:
            on = groups[waiter.group]
            for group in held.get(waiter.pid, ()):
                yield ListenerWait(group, on, waiter.tid, waiter.since)


class DeadlockDetector:
    """Find deadlocks by comparing each pass with the passes before."""

    def __init__(self) -> None:
        """Start without an earlier pass."""
        # The waits of the pass before that were MIN_SECONDS old, and the begin of the
        # first pass that found them so, without a change since.
        self._unchanged: dict[tuple[object, ...], float] = {}

    def observe(self, scan: WaitScan) -> WaitScan:
        """
        Return *scan* with *deadlocked* filled in. Call this once for each pass.

        A group is deadlocked if it is in a cycle of waits that all passes of the last
        UNCHANGED_SECONDS found MIN_SECONDS old, and if meanwhile no group of the cycle
        answered.
        """
        graph = defaultdict[int, set[int]](set)
        unchanged = {}
        for wait in listener_waits(scan):
            if scan.scanned - wait.since < MIN_SECONDS:
                continue
            first = self._unchanged.get(wait.identity, scan.scanned)
            unchanged[wait.identity] = first
            if scan.scanned - first >= UNCHANGED_SECONDS:
                graph[wait.group.address].add(wait.on.address)
        self._unchanged = unchanged
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
