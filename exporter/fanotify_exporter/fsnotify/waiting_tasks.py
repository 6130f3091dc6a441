"""The waiting tasks of a pass by listener."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fanotify_exporter.fsnotify.waits import PermissionGroup, Waiter, WaitScan


@dataclass(frozen=True, slots=True)
class Listener:
    """
    A process that answers for its groups of one class.

    Attributes:
        comm: printable name; "" if unknown.
        pid: process id in the initial pid namespace; 0 if unknown.
        group_class: "content" or "pre_content"; "" if unknown.
    """

    comm: str
    pid: int
    group_class: str


@dataclass(frozen=True, slots=True)
class WaitingTasks:
    """
    The tasks that wait for one listener.

    Attributes:
        waiting: number of tasks, at least 1.
        is_cut: True if more than *waiting* tasks wait.
        oldest_since: CLOCK_BOOTTIME of the oldest wait's begin, seconds.
        is_since_seen: True if the begin was not seen; *oldest_since* is then the time
            when the wait was seen first.
    """

    listener: Listener
    waiting: int
    is_cut: bool
    oldest_since: float
    is_since_seen: bool


def listener_of(group: PermissionGroup) -> Listener:
    """Return the listener of *group*."""
    return Listener(group.comm, group.listener, group.group_class)


def find_listener(scan: WaitScan) -> Callable[[Waiter], Listener]:
    """
    Return the function that returns the listener which a task of *scan* waits for.

    Of a task whose group is not in the scan, the listener is known as far as all groups
    agree: in comm and class.
    """
    known = {group.address: listener_of(group) for group in scan.groups}
    comms = {group.comm for group in scan.groups}
    classes = {group.group_class for group in scan.groups}
    unknown = Listener(
        comms.pop() if len(comms) == 1 else "",
        0,
        classes.pop() if len(classes) == 1 else "",
    )
    return lambda waiter: known.get(waiter.group, unknown)


def waiting_tasks(scan: WaitScan) -> list[WaitingTasks]:
    """
    Return the tasks that wait for each listener, the oldest wait first.

    Listeners for which no task waits are left out.
    """
    listener_for = find_listener(scan)
    addresses = {group.address for group in scan.groups}
    oldest: dict[Listener, Waiter] = {}
    unknown: list[Waiter] = []
    for waiter in scan.waiters:
        oldest.setdefault(listener_for(waiter), waiter)
        if waiter.group not in addresses:
            unknown.append(waiter)
    found: dict[Listener, WaitingTasks] = {}
    for group in scan.groups:
        if group.waiting and group.oldest_since is not None:
            listener = listener_of(group)
            first = oldest.get(listener)
            waits = WaitingTasks(
                listener,
                group.waiting,
                group.is_cut,
                group.oldest_since,
                is_since_seen=bool(first and first.is_since_seen),
            )
            found[listener] = (
                _sum(found[listener], waits) if listener in found else waits
            )
    if unknown:
        first = unknown[0]
        waits = WaitingTasks(
            listener_for(first),
            len(unknown),
            is_cut=False,
            oldest_since=first.since,
            is_since_seen=first.is_since_seen,
        )
        # Its process id is 0: it is none of the listeners that are known.
        found[waits.listener] = waits
    return sorted(found.values(), key=lambda waits: waits.oldest_since)


def _sum(some: WaitingTasks, more: WaitingTasks) -> WaitingTasks:
    """Return the waits for two groups of one listener together."""
    return WaitingTasks(
        some.listener,
        some.waiting + more.waiting,
        some.is_cut or more.is_cut,
        min(some.oldest_since, more.oldest_since),
        some.is_since_seen,
    )
