"""Build the enabled collectors, and start the background threads that they read."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fanotify_exporter.bpf.call_maps import CallMaps, NoCallMaps
from fanotify_exporter.bpf.loaded import LoadedPrograms
from fanotify_exporter.collectors.catalog import CATALOG, Sources
from fanotify_exporter.collectors.exporter_health import (
    NO_SERVER,
    ExporterHealthCollector,
    ProgramSet,
    ServerState,
)
from fanotify_exporter.collectors.labels import Labelling
from fanotify_exporter.collectors.limit_warnings import LimitWarnings
from fanotify_exporter.fsnotify.background import BackgroundScan
from fanotify_exporter.fsnotify.model import GroupScan
from fanotify_exporter.fsnotify.proc_scan import GroupScanner
from fanotify_exporter.metrics.caching import OncePerScrape
from fanotify_exporter.metrics.registry import Registry
from fanotify_exporter.options.model import CollectorOptions, LabelOptions
from fanotify_exporter.procfs.mounts import read_mounted
from fanotify_exporter.system.malloc import return_free_memory


if TYPE_CHECKING:
    from fanotify_exporter.system.cgroups import Cgroups


log = logging.getLogger(__name__)

# A process that created a group is scanned again for this long: it may fork, or pass
# the group's descriptor on to another process.
RECENT_SECONDS = 3.0


def build_collectors(  # noqa: PLR0913  the one place that knows all parts
    loaded: LoadedPrograms,
    collectors: CollectorOptions,
    labels: LabelOptions,
    stack: ExitStack,
    server: ServerState = NO_SERVER,
    *,
    created_samples: bool = False,
) -> Registry:
    """
    Return a registry of the enabled collectors. *stack* stops their threads.

    Args:
        created_samples: whether call families have ``_created`` samples.
    """
    maps = CallMaps(loaded) if loaded.syscalls else NoCallMaps()
    calls = OncePerScrape(maps.read)
    cgroups = start_cgroups(stack) if labels.container else None
    sources = Sources(
        calls=calls,
        labelling=Labelling(labels.dropped, cgroups),
        start_group_scan=partial(start_group_scan, maps, collectors, stack),
        procfs=collectors.procfs,
        created_samples=created_samples,
    )
    enabled = {
        each.name: each.build(sources)
        for each in CATALOG
        if each.name in collectors.enabled
    }
    programs = [ProgramSet("calls", loaded.probes, calls)] if loaded.syscalls else []
    enabled["exporter_health"] = ExporterHealthCollector(
        loaded.bcc, programs, server=server
    )
    return Registry(
        enabled,
        [calls],
        observe=LimitWarnings().observe,
        after_scrape=return_free_memory,
    )


def start_group_scan(
    maps: CallMaps | NoCallMaps, options: CollectorOptions, stack: ExitStack
) -> Callable[[], GroupScan | None]:
    """
    Start the background scan for groups. *stack* stops the scan.

    Returns:
        The function that returns the latest result, None before there is one.
    """
    scanner = GroupScanner(
        options.procfs,
        interval=options.groups_interval,
        recent_pids=partial(maps.read_group_creators, RECENT_SECONDS),
    )
    if scanner.inexact_reason:
        log.warning(
            "cannot compare descriptors (kcmp): shared groups are counted more than "
            "once",
            extra={"reason": scanner.inexact_reason},
        )
    scan = BackgroundScan(scanner)
    scan.start()
    stack.callback(scan.stop)
    return scan.latest


def start_cgroups(stack: ExitStack) -> Cgroups:
    """Start the thread that reads the names of cgroups. *stack* stops the thread."""
    from fanotify_exporter.system.cgroups import Cgroups  # noqa: PLC0415  70 KB that serving without the labels saves

    roots = read_mounted("cgroup2")
    if not roots:
        log.warning(
            "no cgroup v2 hierarchy is mounted: the labels cgroup and container_id "
            "stay empty"
        )
    cgroups = Cgroups(Path(roots[0]) if roots else None)
    cgroups.start()
    stack.callback(cgroups.stop)
    return cgroups
