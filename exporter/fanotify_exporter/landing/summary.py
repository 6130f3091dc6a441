"""The summary of one scrape that the landing page shows, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar


T = TypeVar("T")

# Names of the gauges with the per-user limits of the kernel (/proc/sys/fs/fanotify and
# inotify). They are the keys of Summary.limits and InotifyFigures.limits.
GROUP_LIMIT = "fanotify_user_groups_limit"
MARK_LIMIT = "fanotify_user_marks_limit"
INSTANCE_LIMIT = "inotify_user_instances_limit"
WATCH_LIMIT = "inotify_user_watches_limit"


@dataclass(frozen=True, slots=True)
class Top(Generic[T]):
    """The first rows of a table, and the number of rows left out."""

    rows: Sequence[T]
    omitted: int


@dataclass(frozen=True, slots=True)
class Caller:
    """
    The calls of one system call by one comm.

    Attributes:
        comm: None where --label.drop=comm sums over all comms.
        call: the system call, such as "fanotify_mark".
        errors: failed calls by errno name, most frequent first.
    """

    comm: str | None
    call: str
    calls: float
    per_second: float
    errors: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class GroupOwner:
    """The groups and marks of one comm; *blocking* marks are part of *marks*."""

    comm: str
    groups: float
    marks: float
    blocking: float


@dataclass(frozen=True, slots=True)
class QueueOwner:
    """
    The queues of the groups of one comm.

    Attributes:
        fill_ratio: of the fullest queue, from 0 to 1.
        overflows: queues with a lost event that the program has not read past.
    """

    comm: str
    fill_ratio: float
    overflows: float


@dataclass(frozen=True, slots=True)
class User:
    """The groups and marks charged to one user, and their shares of the limits."""

    uid: str
    groups: float
    marks: float
    share_of_groups: float
    share_of_marks: float


@dataclass(frozen=True, slots=True)
class InotifyOwner:
    """The inotify instances and watches of one comm."""

    comm: str
    instances: float
    watches: float


@dataclass(frozen=True, slots=True)
class InotifyUser:
    """The inotify instances and watches charged to one user, and their shares."""

    uid: str
    instances: float
    watches: float
    share_of_instances: float
    share_of_watches: float


@dataclass(frozen=True, slots=True)
class InotifyFigures:
    """
    The figures about inotify.

    Attributes:
        owners: largest share of a limit first.
        users: nearest to a limit first.
        limits: INSTANCE_LIMIT and WATCH_LIMIT, where the kernel has them.
    """

    owners: Top[InotifyOwner] = Top((), 0)
    users: Top[InotifyUser] = Top((), 0)
    limits: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Probe:
    """A BPF program that counts *syscall*, and whether it is attached."""

    syscall: str
    attach_point: str
    attached: bool


@dataclass(frozen=True, slots=True)
class WaitFigures:
    """
    The tasks that wait for listeners of one comm and class.

    Attributes:
        comm: "" if unknown; None where --label.drop=comm sums over all comms.
        group_class: "content" or "pre_content"; "" if unknown.
        waiting: number of tasks that wait; 0 for a listener without.
        oldest: age of the oldest wait in seconds.
    """

    comm: str | None
    group_class: str
    waiting: float
    oldest: float


@dataclass(frozen=True, slots=True)
class PermissionFigures:
    """
    The figures about permission listeners.

    Attributes:
        waits: one entry for each comm and class of existing listeners, the oldest wait
            first.
        listener_waits: pairs of a listener's comm and the comm of the listener that it
            waits for.
        deadlocked: number of listeners that wait in a cycle.
        unchecked: accesses that went ahead because the listener was closed, by comm of
            the listener, since counting started.
    """

    waits: Sequence[WaitFigures] = ()
    listener_waits: Sequence[tuple[str, str]] = ()
    deadlocked: float = 0
    unchecked: Mapping[str | None, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Absence:
    """
    Why figures of a collector that works may be missing.

    Attributes:
        family: metric family that the collector returns once it has figures.
        reason: clause that completes "Unknown ...", such as "until the first scan".
    """

    family: str
    reason: str


@dataclass(frozen=True, slots=True)
class Summary:
    """
    The figures of one scrape that the landing page shows.

    Attributes:
        families: names of the metric families in the scrape.
        collectors: whether the last run succeeded, by enabled collector.
        build: the labels of fanotify_exporter_build_info.
        seconds: length of the interval that the callers' rates average over.
        callers: highest rate first.
        owners: most blocking marks first.
        unreadable: processes that the scan for groups could not inspect.
        users: nearest to a limit first.
        limits: GROUP_LIMIT and MARK_LIMIT, where the kernel has them.
        maps: used and maximum entries by BPF map.
        lost: calls not counted under their caller, by system call and reason.
            Reasons without a lost call are left out.
        queues: fullest first; empty where queues are not seen.
        calls_in_progress: threads that have been inside one fanotify_mark call for over
            10 seconds, by comm; most threads first.
        permission: waits for permission listeners.
        inotify: inotify instances and watches.
        absences: collectors whose figures may be missing, and why.
        limitations: what parts of the exporter lack on this host, such as "not counted:
            no BTF" by "permission waits".
    """

    families: frozenset[str]
    collectors: Mapping[str, bool]
    build: Mapping[str, str]
    probes: Sequence[Probe]
    seconds: float
    callers: Top[Caller]
    owners: Top[GroupOwner]
    unreadable: float
    users: Top[User]
    limits: Mapping[str, float]
    maps: Mapping[str, tuple[float, float]]
    lost: Mapping[tuple[str, str], float]
    absences: Mapping[str, Absence] = field(default_factory=dict)
    limitations: Mapping[str, str] = field(default_factory=dict)
    queues: Sequence[QueueOwner] = ()
    calls_in_progress: Mapping[str, float] = field(default_factory=dict)
    permission: PermissionFigures = field(default_factory=PermissionFigures)
    inotify: InotifyFigures = field(default_factory=InotifyFigures)
