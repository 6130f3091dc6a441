"""
The catalogue of collectors: one entry for each collector that a flag can switch.

The flags, the assembly, the capabilities that serving keeps, the landing page's
reasons for missing figures and docs/metrics.md are made from CATALOG. The collector
exporter_health cannot be switched off and is not listed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from fanotify_exporter.bpf.event_samples import EventSnapshot
from fanotify_exporter.bpf.loaded import SYSCALLS
from fanotify_exporter.bpf.permission_samples import PermissionSnapshot
from fanotify_exporter.bpf.samples import Snapshot
from fanotify_exporter.collectors.events import EventsCollector
from fanotify_exporter.collectors.groups import GroupsCollector
from fanotify_exporter.collectors.init_calls import InitCallsCollector
from fanotify_exporter.collectors.inotify import InotifyCollector
from fanotify_exporter.collectors.inotify_calls import InotifyCallsCollector
from fanotify_exporter.collectors.labels import Labelling
from fanotify_exporter.collectors.limits import LimitsCollector
from fanotify_exporter.collectors.mark_calls import MarkCallsCollector
from fanotify_exporter.collectors.mark_calls_in_progress import (
    MarkCallsInProgressCollector,
)
from fanotify_exporter.collectors.mount_coverage import MountCoverageCollector
from fanotify_exporter.collectors.permission import PermissionCollector
from fanotify_exporter.fsnotify.calls_in_progress import OngoingCall
from fanotify_exporter.fsnotify.model import GroupScan
from fanotify_exporter.fsnotify.mount_table import MountTable
from fanotify_exporter.fsnotify.waits import WaitScan
from fanotify_exporter.metrics.registry import Collector


@dataclass(frozen=True, slots=True)
class Sources:
    """
    The sources that collectors read.

    Attributes:
        calls: returns the calls counted so far.
        waits: returns the permission waits counted so far; None if no program counts
            them.
        events: returns the events counted so far; None if no program counts them.
        labelling: the labels that are dropped or added.
        start_group_scan: starts the background scan for groups and inotify instances
            unless it runs, and returns the function that returns its latest result.
        start_wait_scan: starts the background passes over waiting tasks, and returns
            the function that returns the latest pass.
        start_call_scan: starts the background passes over threads inside
            fanotify_mark(2), and returns the function that returns the long calls.
        start_mount_scan: starts the background scan for mounts, and returns the
            function that returns its latest result.
        procfs: mount point of the host's procfs.
        created_samples: whether counters have ``_created`` samples.
    """

    calls: Callable[[], Snapshot]
    waits: Callable[[], PermissionSnapshot] | None
    events: Callable[[], EventSnapshot] | None
    labelling: Labelling
    start_group_scan: Callable[[], Callable[[], GroupScan | None]]
    start_wait_scan: Callable[[], Callable[[], WaitScan | None]]
    start_call_scan: Callable[[], Callable[[], tuple[OngoingCall, ...] | None]]
    start_mount_scan: Callable[[], Callable[[], MountTable | None]]
    procfs: Path
    created_samples: bool = False


@dataclass(frozen=True, slots=True)
class CollectorInfo:
    """
    Description of a collector.

    Attributes:
        name: name in --collector.NAME and in the label "collector".
        help: what the collector exports; --help and the documentation show this text.
        build: creates the collector.
        needs: what the collector reads, for the documentation.
        family: a metric family that the collector returns whenever it has data.
        missing: when *family* is missing although the collector works; a clause
            that completes "Unknown ..." on the landing page.
        on_by_default: whether the collector runs without a flag.
        droppable: labels that --label.drop may remove; the sums over the other labels
            keep their meaning.
        capabilities: capabilities that serving keeps for the collector.
        syscalls: system calls that must be counted for the collector, elements of
            SYSCALLS.
        lists_groups: whether the collector needs the groups and instances that exist.
    """

    name: str
    help: str
    build: Callable[[Sources], Collector]
    needs: str
    family: str
    missing: str = ""
    on_by_default: bool = True
    droppable: tuple[str, ...] = ()
    capabilities: frozenset[str] = frozenset()
    syscalls: tuple[str, ...] = ()
    lists_groups: bool = False


# To see other users' processes: the first lists their descriptors, and the second reads
# them, and what tasks wait for.
SCAN_CAPABILITIES = frozenset({"CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE"})

IN_PROGRESS_COLLECTOR = "mark_calls_in_progress"

CATALOG = (
    CollectorInfo(
        name="mark_calls",
        help="fanotify_mark(2) calls",
        build=lambda sources: MarkCallsCollector(
            sources.calls, sources.labelling, created=sources.created_samples
        ),
        needs="any hook",
        family="fanotify_mark_calls",
        syscalls=("fanotify_mark",),
        droppable=("comm", "flags", "mask"),
    ),
    CollectorInfo(
        name="init_calls",
        help="fanotify_init(2) and inotify_init(2) calls",
        build=lambda sources: InitCallsCollector(
            sources.calls, sources.labelling, created=sources.created_samples
        ),
        needs="any hook",
        family="fanotify_init_calls",
        syscalls=("fanotify_init", "inotify_init"),
        droppable=("comm", "flags", "event_f_flags"),
    ),
    CollectorInfo(
        name="inotify_calls",
        help="inotify_add_watch(2) calls",
        # The cgroup is not in the key of these calls.
        build=lambda sources: InotifyCallsCollector(
            sources.calls,
            Labelling(sources.labelling.dropped),
            created=sources.created_samples,
        ),
        needs="any hook",
        family="inotify_add_watch_calls",
        syscalls=("inotify_add_watch",),
        droppable=("comm",),
    ),
    CollectorInfo(
        name="groups",
        help="fanotify groups, marks and queues that exist now",
        build=lambda sources: GroupsCollector(
            sources.start_group_scan(), sources.labelling
        ),
        needs="an iterator, else `/proc` (no queues)",
        family="fanotify_groups",
        missing="until the first scan of all privileged processes has finished",
        capabilities=SCAN_CAPABILITIES,
        lists_groups=True,
    ),
    CollectorInfo(
        name="inotify",
        help="inotify instances and watches that exist now",
        build=lambda sources: InotifyCollector(
            sources.start_group_scan(), sources.labelling
        ),
        needs="an iterator, else `/proc`",
        family="inotify_instances",
        missing="until the first scan of all privileged processes has finished",
        capabilities=SCAN_CAPABILITIES,
        lists_groups=True,
    ),
    CollectorInfo(
        name="permission",
        help="waits for the answers of permission listeners",
        build=lambda sources: PermissionCollector(
            sources.waits,
            sources.start_wait_scan(),
            sources.labelling,
            created=sources.created_samples,
        ),
        needs="fentry or kprobe; the waiting tasks: an iterator, else `/proc`",
        family="fanotify_permission_waiting_tasks",
        missing="until the first pass over the waiting tasks has finished",
        droppable=("comm",),
    ),
    CollectorInfo(
        name="mount_coverage",
        help="mounts that the marks of programs cover, and those that they do not",
        build=lambda sources: MountCoverageCollector(
            sources.start_group_scan(), sources.start_mount_scan()
        ),
        needs="`/proc/*/fd`, `/proc/*/fdinfo` and `/proc/1/mountinfo`",
        family="fanotify_mounts",
        missing="until the first scans of groups and of mounts have finished",
        capabilities=SCAN_CAPABILITIES,
        lists_groups=True,
    ),
    CollectorInfo(
        name="events",
        help="events queued, merged and dropped; costs time on every event",
        build=lambda sources: EventsCollector(
            sources.events, sources.labelling, created=sources.created_samples
        ),
        needs="fentry or kprobe, on every event",
        family="fanotify_events",
        on_by_default=False,
        droppable=("comm",),
    ),
    CollectorInfo(
        name=IN_PROGRESS_COLLECTOR,
        help="fanotify_mark(2) calls that do not return",
        build=lambda sources: MarkCallsInProgressCollector(
            sources.start_call_scan(), sources.labelling
        ),
        needs="an iterator, else `/proc/*/task/*/stat` and `syscall`",
        family="fanotify_mark_calls_in_progress",
        missing="until the first pass over all threads has finished",
    ),
    CollectorInfo(
        name="limits",
        help="limits of fanotify and inotify",
        build=lambda sources: LimitsCollector(sources.procfs),
        needs="`/proc/sys/fs/fanotify`, `/proc/sys/fs/inotify`",
        family="fanotify_user_groups_limit",
        missing="on kernels without /proc/sys/fs/fanotify, such as Linux 5.12",
    ),
)


def needed_syscalls(enabled: Collection[str]) -> tuple[str, ...]:
    """Return the elements of SYSCALLS that the collectors named *enabled* need."""
    needed = {
        syscall for each in CATALOG if each.name in enabled for syscall in each.syscalls
    }
    return tuple(syscall for syscall in SYSCALLS if syscall in needed)


def needs_groups(enabled: Collection[str]) -> bool:
    """Return whether a collector named *enabled* needs the groups that exist."""
    return any(each.lists_groups for each in CATALOG if each.name in enabled)


def droppable_labels() -> tuple[str, ...]:
    """Return the labels that --label.drop accepts, in the order of the catalogue."""
    return tuple(dict.fromkeys(label for each in CATALOG for label in each.droppable))
