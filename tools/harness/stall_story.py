"""
A stall of a permission listener as the exporter sees it, second by second.

Two listeners that scan for malware wait for each other. 37 tasks wait for the first
until it is killed. What waits then goes ahead unchecked. A third listener fetches
files, a program hangs in fanotify_mark(2), and the queue of another program fills
(queue_story). The values are made up: the story takes minutes and needs no kernel.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from fanotify_exporter.bpf.event_samples import EventSnapshot
from fanotify_exporter.bpf.loaded import AttachedProbe
from fanotify_exporter.bpf.permission_samples import (
    ENDS,
    WAIT_BUCKETS,
    ListenerTotals,
    PermissionSnapshot,
)
from fanotify_exporter.bpf.samples import Lost, Usage
from fanotify_exporter.collectors.events import EventsCollector
from fanotify_exporter.collectors.exporter_health import (
    ExporterHealthCollector,
    ProgramSet,
)
from fanotify_exporter.collectors.groups import GroupsCollector
from fanotify_exporter.collectors.mark_calls_in_progress import (
    MarkCallsInProgressCollector,
)
from fanotify_exporter.collectors.permission import PermissionCollector
from fanotify_exporter.fsnotify.calls_in_progress import OngoingCall
from fanotify_exporter.fsnotify.deadlocks import DeadlockDetector
from fanotify_exporter.fsnotify.model import GroupScan
from fanotify_exporter.fsnotify.waits import PermissionGroup, Waiter, WaitScan
from fanotify_exporter.metrics.registry import Registry
from grafana.dashboard import QUEUES, WAITS
from tools.harness import queue_story
from tools.harness.dashboard import Target
from tools.harness.exposition import encode_openmetrics
from tools.harness.servers.prometheus import Prometheus
from tools.harness.servers.replay import replayed


SCANNER, OTHER_SCANNER, FETCHER = "wdavdaemon", "clamonacc", "nydusd"
# The program that waits for a file system inside fanotify_mark(2) during the stall.
STUCK = OngoingCall(
    tid=3001, started=1, comm="fapolicyd", privileged=True, registers=0, sleeps=1
)

# Length of the story. The stall begins and ends after so many seconds.
SECONDS, BEGIN, END = 480, 150, 390
# Seconds before the story in which the exporter is scraped and nothing happens.
REST = 120
# Tasks that wait for SCANNER, OTHER_SCANNER among them, and the seconds within which
# they begin to.
WAITING, GATHERING = 37, 30
# Waiting tasks that a user kills, and when.
KILLED, KILL = 3, 210
# When FETCHER has no descriptor left, and the accesses that the kernel refuses then.
NO_DESCRIPTORS, REFUSED = 80, 5

# Process ids of the listeners, of SCANNER after its restart, and of the first task.
PIDS = {SCANNER: 811, OTHER_SCANNER: 902, FETCHER: 1201}
RESTARTED_PID, TASK_PID = 4321, 2000

# Answers per second by bucket of WAIT_BUCKETS, and one denial in so many answers.
RATES = {
    SCANNER: (2.0, 24.0, 10.0, 3.0, 0.8, 0.1, 0, 0, 0, 0),
    OTHER_SCANNER: (0, 0.5, 4.0, 2.5, 0.4, 0.05, 0, 0, 0, 0),
    FETCHER: (0, 0, 0.2, 0.3, 1.2, 1.0, 0.3, 0.1, 0.02, 0),
}
DENIALS = {SCANNER: 60, OTHER_SCANNER: 200, FETCHER: 40}


@dataclass(frozen=True, slots=True)
class Moment:
    """
    What the exporter reads at one time of the story.

    Attributes:
        snapshot: the maps of the permission programs.
        scan: the groups and the waiting tasks. Times are seconds of the story.
        groups: the same groups and those without permission events, with their queues.
        events: the maps of the programs that count events.
        stuck: the calls of fanotify_mark(2) that do not return.
    """

    snapshot: PermissionSnapshot
    scan: WaitScan
    groups: GroupScan
    events: EventSnapshot
    stuck: tuple[OngoingCall, ...]


@contextmanager
def replayed_story(begin: float, folder: Path) -> Iterator[Prometheus]:
    """
    Start a Prometheus that scraped the story once a second.

    Args:
        begin: Unix time of the begin of the story. The first scrapes are from before.
        folder: for the data of Prometheus.
    """
    with replayed(_pages(begin), folder) as prometheus:
        yield prometheus


def _pages(begin: float) -> Iterator[tuple[float, bytes]]:
    """Yield the time of each scrape, and the exporter's page."""
    counting_since = begin - REST
    detector = DeadlockDetector()
    now = moment(0, counting_since)
    probe = AttachedProbe("permission_wait", "fentry:fsnotify_prepare_user_wait")
    programs = ProgramSet("permission", (probe,), lambda: now.snapshot)
    health = ExporterHealthCollector("", [programs], lambda _: True)
    waits = PermissionCollector(lambda: now.snapshot, lambda: now.scan)
    groups = GroupsCollector(lambda: now.groups)
    registry = Registry(
        {
            "events": EventsCollector(lambda: now.events),
            "groups": groups,
            "mark_calls_in_progress": MarkCallsInProgressCollector(lambda: now.stuck),
            "permission": waits,
            "exporter_health": health,
        }
    )
    for second in range(-REST, SECONDS + 1):
        now = moment(max(0, second), counting_since)
        now = replace(now, scan=detector.observe(now.scan))
        yield begin + second, encode_openmetrics(registry.scrape().collect())


def moment(second: float, counting_since: float) -> Moment:
    """
    Return what the exporter reads *second* seconds after the begin of the story.

    Args:
        second: 0 to SECONDS.
        counting_since: Unix time when the programs began to count.
    """
    totals = tuple(_totals(comm, second) for comm in RATES)
    usage = (Usage("permission_groups", 3, 256), Usage("permission_waits", 0, 32_768))
    lost = tuple(
        Lost(f"permission_{probe}", "recursion", 0)
        for probe in ("wait", "response", "group")
    )
    snapshot = PermissionSnapshot(counting_since, totals, usage, lost)
    scan = _scan(second, totals)
    unanswered = {
        (group.comm, group.group_class): group.waiting for group in scan.groups
    }
    return Moment(
        snapshot,
        scan,
        groups=queue_story.scan(second, unanswered),
        events=queue_story.events(second, counting_since),
        stuck=(STUCK,) if is_stalled(second) else (),
    )


def in_story(target: Target) -> bool:
    """Return whether the story gives a query of the dashboard a value."""
    calls = "fanotify_mark_calls_in_progress"
    return target.row in {WAITS, QUEUES} or calls in target.expression


def is_stalled(second: float) -> bool:
    """Return whether the scanners wait for each other."""
    return BEGIN <= second < END


def _totals(comm: str, second: float) -> ListenerTotals:
    """Return what was counted for a listener until *second*."""
    busy = second
    if comm != FETCHER:
        busy = min(second, BEGIN) + max(0.0, second - END)
    buckets = [int(rate * busy) for rate in RATES[comm]]
    bounds = (*WAIT_BUCKETS, WAIT_BUCKETS[-1])
    seconds = sum(
        count * bound / 2 for count, bound in zip(buckets, bounds, strict=True)
    )
    ends = dict.fromkeys(ENDS, 0) | {"answered": sum(buckets)}
    for end, number, at, length in _unanswered(comm):
        if second >= at:
            ends[end] += number
            place = next(
                (n for n, bound in enumerate(WAIT_BUCKETS) if length <= bound), -1
            )
            buckets[place] += number
            seconds += number * length
    denied = ends["answered"] // DENIALS[comm]
    errno = "EIO" if comm == FETCHER else "EPERM"
    return ListenerTotals(
        comm,
        _class(comm),
        ends,
        tuple(buckets),
        seconds,
        {("allow", ""): ends["answered"] - denied, ("deny", errno): denied},
    )


def _unanswered(comm: str) -> Iterator[tuple[str, int, float, float]]:
    """Yield waits without an answer: end, number, second of the end, and length."""
    if comm == SCANNER:
        yield "killed", KILLED, KILL, KILL - BEGIN
        yield "listener_closed", WAITING, END, END - BEGIN
    elif comm == OTHER_SCANNER:
        yield "killed", 1, END, END - BEGIN
    else:
        yield "unanswered", REFUSED, NO_DESCRIPTORS, 0.001


def _class(comm: str) -> str:
    return "pre_content" if comm == FETCHER else "content"


def _scan(second: float, totals: tuple[ListenerTotals, ...]) -> WaitScan:
    """Return the groups and the waiting tasks at *second*."""
    answers = {each.comm: sum(each.responses.values()) for each in totals}
    pids = PIDS | ({SCANNER: RESTARTED_PID} if second >= END else {})
    groups, waiters = [], []
    for comm, pid in pids.items():
        waiting = [
            Waiter(task, task, name, pid, second - age)
            for task, name, age in _waiting(comm, second)
        ]
        waiters += waiting
        groups.append(
            PermissionGroup(
                address=pid,
                comm=comm,
                group_class=_class(comm),
                listener=pid,
                holders=frozenset({pid}),
                waiting=len(waiting),
                oldest_since=min((each.since for each in waiting), default=None),
                answers=answers[comm],
            )
        )
    oldest_first = sorted(waiters, key=lambda waiter: waiter.since)
    return WaitScan(tuple(groups), tuple(oldest_first), scanned=second)


def _waiting(comm: str, second: float) -> Iterator[tuple[int, str, float]]:
    """Yield process id, comm and seconds of waiting of each task that waits."""
    if comm == FETCHER:
        age = second % 9
        if age < 6:
            yield TASK_PID - 1, "containerd", age
    elif is_stalled(second) and comm == OTHER_SCANNER:
        yield PIDS[SCANNER], SCANNER, second - BEGIN
    elif is_stalled(second):
        yield PIDS[OTHER_SCANNER], OTHER_SCANNER, second - BEGIN
        killed = KILLED if second < KILL else 0
        for number in range(1, WAITING + killed):
            age = second - BEGIN - number * GATHERING / WAITING
            if age >= 0:
                yield TASK_PID + number, ("bash", "sshd", "runc")[number % 3], age
    elif comm == SCANNER and second % 7 < 1:
        yield TASK_PID, "cc1", 0.002
