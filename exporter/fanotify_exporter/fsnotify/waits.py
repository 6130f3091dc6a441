"""Permission groups and the tasks that wait for their answers, as one pass saw them."""

from __future__ import annotations

from dataclasses import dataclass

from fanotify_exporter.system.cpu_budget import CpuBudget


@dataclass(frozen=True, slots=True)
class Waiter:
    """
    A task that waits for a listener's answer.

    Attributes:
        tid: thread id in the initial pid namespace.
        pid: process id (tgid) in the initial pid namespace.
        comm: printable name of the thread.
        group: the address of the group, 0 if more than one group could be meant.
        since: CLOCK_BOOTTIME of the wait's begin, seconds.
        is_since_seen: True if the begin was not seen; *since* is then the time when
            the wait was seen first.
        cgroup: id of the task's cgroup in the v2 hierarchy; 0 if unknown.
    """

    tid: int
    pid: int
    comm: str
    group: int
    since: float
    is_since_seen: bool = False
    cgroup: int = 0


@dataclass(frozen=True, slots=True)
class PermissionGroup:
    """
    A group of class content or pre_content.

    Attributes:
        address: identifies the group within one pass and between passes; an address
            may be reused after the group was closed.
        comm: printable name of the listener: the process that last marked or answered
            if a program saw that, else the holder that started first; "" if unknown.
        group_class: "content" or "pre_content"; "" if unknown.
        listener: process id of the listener, 0 if unknown.
        holders: process ids that have the group open.
        waiting: number of tasks that wait, at most MAX_WAITERS.
        oldest_since: CLOCK_BOOTTIME of the oldest wait's begin, seconds; None if no
            task waits.
        answers: number of answers of this group that programs saw. Two equal values
            in two passes mean that nothing was answered between the passes.
        is_cut: True if more than MAX_WAITERS tasks wait.
        cgroup: id of the listener's cgroup in the v2 hierarchy; 0 if unknown.
    """

    address: int
    comm: str
    group_class: str
    listener: int
    holders: frozenset[int]
    waiting: int
    oldest_since: float | None
    answers: int
    is_cut: bool = False
    cgroup: int = 0


# Waiters of one group that a pass counts.
MAX_WAITERS = 4096

# Passes take at most 1 % of a CPU, as long as a pass takes at most 0.1 s of CPU time.
PASSES = CpuBudget(share=0.01, min_delay=1.0, max_delay=10.0)

# Seconds after which the result of a pass is too old.
MAX_AGE = 30.0


@dataclass(frozen=True, slots=True)
class WaitScan:
    """
    The permission groups that exist, and the tasks that wait for them.

    Attributes:
        groups: each group once. If *is_exact* is False, at most one group, which stands
            for all: its address is 0 if there are several, and each attribute in which
            the groups differ is "", 0 or empty.
        waiters: the waiting tasks, oldest first; of a group at most MAX_WAITERS, and
            256 from /proc.
        scanned: CLOCK_BOOTTIME at which the pass began, seconds.
        is_exact: False if the tasks come from /proc (state D and wchan) and not from
            the kernel's own list: a task's group is then a guess.
        deadlocked: addresses of the groups whose listeners wait for each other;
            filled in by DeadlockDetector.
        unix_time: Unix time at which the pass began; filled in by ObservedWaits, 0
            before.
    """

    groups: tuple[PermissionGroup, ...]
    waiters: tuple[Waiter, ...]
    scanned: float
    is_exact: bool = True
    deadlocked: frozenset[int] = frozenset()
    unix_time: float = 0.0
