"""Build the enabled collectors, and start the background threads that they read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from fanotify_exporter.bpf.call_maps import CallMaps, NoCallMaps
from fanotify_exporter.bpf.event_maps import EventMaps
from fanotify_exporter.bpf.event_samples import EventSnapshot
from fanotify_exporter.bpf.loaded import LoadedPermission
from fanotify_exporter.bpf.permission_maps import PermissionMaps
from fanotify_exporter.bpf.permission_samples import PermissionSnapshot
from fanotify_exporter.bpf.samples import Snapshot
from fanotify_exporter.collectors.catalog import CATALOG, Sources
from fanotify_exporter.collectors.exporter_health import (
    NO_SERVER,
    ExporterHealthCollector,
    ProgramSet,
    ServerState,
)
from fanotify_exporter.collectors.labels import Labelling
from fanotify_exporter.collectors.limit_warnings import LimitWarnings
from fanotify_exporter.collectors.wait_warnings import WaitWarnings
from fanotify_exporter.commands.call_scan import start_call_scan
from fanotify_exporter.commands.cgroups import find_cgroup_root, start_cgroups
from fanotify_exporter.commands.group_scan import make_group_source, start_group_scan
from fanotify_exporter.commands.live_sources import NO_SOURCES, LiveSources
from fanotify_exporter.commands.mounts import reading_unmarked, start_mount_scan
from fanotify_exporter.commands.programs import Programs
from fanotify_exporter.commands.wait_source import WaitSource
from fanotify_exporter.commands.waits import ObservedWaits, reading_waits
from fanotify_exporter.fsnotify.background import BackgroundScan, Scanner
from fanotify_exporter.fsnotify.deadlocks import DeadlockDetector
from fanotify_exporter.fsnotify.model import GroupScan
from fanotify_exporter.fsnotify.task_iter import WaitIterator
from fanotify_exporter.fsnotify.waits import MAX_AGE, WaitScan
from fanotify_exporter.fsnotify.wchan import WaitScanner
from fanotify_exporter.landing.mounts import UnmarkedMounts
from fanotify_exporter.landing.waits import Waits
from fanotify_exporter.metrics.caching import OncePerScrape
from fanotify_exporter.metrics.registry import Registry
from fanotify_exporter.options.model import CollectorOptions, LabelOptions
from fanotify_exporter.system.malloc import return_free_memory
from fanotify_exporter.web.service import no_mounts, no_waits


@dataclass(frozen=True, slots=True)
class Assembled:
    """
    The running parts of the exporter.

    Attributes:
        registry: the enabled collectors.
        read_waits: returns the waiting tasks for the landing page, None if unknown.
        read_unmarked: returns the mounts that programs which block do not cover, for
            the landing page, None if unknown.
    """

    registry: Registry
    read_waits: Callable[[], Waits | None]
    read_unmarked: Callable[[], UnmarkedMounts | None]


def assemble(  # noqa: PLR0913  the one place that knows all parts
    programs: Programs,
    collectors: CollectorOptions,
    labels: LabelOptions,
    stack: ExitStack,
    server: ServerState = NO_SERVER,
    *,
    live: LiveSources = NO_SOURCES,
    created_samples: bool = False,
) -> Assembled:
    """
    Build the enabled collectors. *stack* stops their threads.

    Args:
        programs: the attached programs. Without programs that count permission waits,
            the collector permission has the waiting tasks only.
        live: the sources of groups, instances and waiting tasks.
        created_samples: whether counters have ``_created`` samples.
    """
    maps = CallMaps(programs.calls) if programs.calls.syscalls else NoCallMaps()
    calls = OncePerScrape(maps.read)
    waits = read_permission_maps(programs)
    events = read_event_maps(programs)
    cgroup_root = find_cgroup_root() if labels.container else None
    cgroups = start_cgroups(cgroup_root, stack) if labels.container else None
    start_groups = cache(
        partial(
            start_group_scan,
            partial(make_group_source, live.groups, programs.fsnotify, collectors),
            collectors.procfs,
            stack,
        )
    )
    start_waits = cache(
        lambda: start_wait_scan(
            make_wait_scanner(
                live.waits,
                programs.permission,
                start_groups,
                collectors.procfs,
                cgroup_root,
            ),
            stack,
        )
    )
    start_mounts = cache(partial(start_mount_scan, collectors.procfs, stack))
    sources = Sources(
        calls=calls,
        waits=waits,
        events=events,
        labelling=Labelling(labels.dropped, cgroups),
        start_group_scan=start_groups,
        start_wait_scan=start_waits,
        start_call_scan=partial(
            start_call_scan,
            live.calls,
            programs.fsnotify,
            collectors.procfs,
            cgroup_root,
            stack,
        ),
        start_mount_scan=start_mounts,
        procfs=collectors.procfs,
        created_samples=created_samples,
    )
    built = {
        each.name: each.build(sources)
        for each in CATALOG
        if each.name in collectors.enabled
    }
    built["exporter_health"] = ExporterHealthCollector(
        programs.bcc, list(_sets(programs, calls, waits, events)), server=server
    )
    registry = Registry(
        built,
        [calls, *([waits] if waits else []), *([events] if events else [])],
        observe=LimitWarnings().observe,
        after_scrape=return_free_memory,
    )
    return Assembled(
        registry,
        reading_waits(start_waits(), cgroups) if live.waits else no_waits,
        reading_unmarked(start_groups(), start_mounts())
        if "mount_coverage" in collectors.enabled
        else no_mounts,
    )


def read_permission_maps(
    programs: Programs,
) -> OncePerScrape[PermissionSnapshot] | None:
    """Return the function that reads the permission programs' maps, None without."""
    if not programs.permission:
        return None
    return OncePerScrape(PermissionMaps(programs.permission).read)


def read_event_maps(programs: Programs) -> OncePerScrape[EventSnapshot] | None:
    """Return the function that reads the maps of events, None without."""
    return OncePerScrape(EventMaps(programs.events).read) if programs.events else None


def _sets(
    programs: Programs,
    calls: Callable[[], Snapshot],
    waits: Callable[[], PermissionSnapshot] | None,
    events: Callable[[], EventSnapshot] | None,
) -> Iterator[ProgramSet]:
    if programs.calls.syscalls:
        yield ProgramSet("calls", programs.calls.probes, calls)
    if programs.permission and waits:
        yield ProgramSet("permission", programs.permission.probes, waits)
    if programs.events and events:
        yield ProgramSet("events", programs.events.probes, events)


def make_wait_scanner(
    source: WaitSource | None,
    permission: LoadedPermission | None,
    start_groups: Callable[[], Callable[[], GroupScan | None]],
    procfs: Path,
    cgroup_root: Path | None,
) -> Scanner[WaitScan] | None:
    """
    Return the scanner that lists waiting tasks from *source*, None without a source.

    Args:
        permission: the programs with the iterator, None without.
        start_groups: starts the scan for groups; /proc does not tell whom a task
            waits for.
        cgroup_root: where cgroup v2 is mounted; None if cgroup ids are not wanted.
    """
    if source and source.name == "iterator" and permission:
        return WaitIterator(permission)
    if source and source.name == "procfs":
        return WaitScanner(start_groups(), procfs, cgroup_root=cgroup_root)
    return None


def start_wait_scan(
    scanner: Scanner[WaitScan] | None, stack: ExitStack
) -> Callable[[], WaitScan | None]:
    """
    Start the passes over waiting tasks. *stack* stops the passes.

    Returns:
        The function that returns the latest pass, None before there is one and
        without a scanner.
    """
    if scanner is None:
        return lambda: None
    observed = ObservedWaits(scanner, DeadlockDetector(), WaitWarnings())
    scan = BackgroundScan(observed, "waiting tasks", max_age=MAX_AGE)
    scan.start()
    stack.callback(scan.stop)
    return scan.latest
