"""The exporter put together: options in, answered scrapes out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from fanotify_exporter.bpf.call_maps import CallMaps
from fanotify_exporter.bpf.loaded import LoadedPrograms
from fanotify_exporter.collectors.exporter_health import ExporterHealthCollector
from fanotify_exporter.collectors.groups import GroupsCollector
from fanotify_exporter.collectors.init_calls import InitCallsCollector
from fanotify_exporter.collectors.labels import Labelling
from fanotify_exporter.collectors.limits import LimitsCollector
from fanotify_exporter.collectors.mark_calls import MarkCallsCollector
from fanotify_exporter.fsnotify.background import BackgroundScan
from fanotify_exporter.fsnotify.proc_scan import GroupScanner
from fanotify_exporter.metrics.caching import OncePerScrape
from fanotify_exporter.metrics.registry import Collector, build_registry
from fanotify_exporter.procfs.mounts import read_mounted
from fanotify_exporter.system.cgroups import Cgroups


log = logging.getLogger(__name__)

Options = Mapping[str, Any]

RECENT_SECONDS = 3.0
"""A process that made a group is looked at for so long: its group may move on."""


def build_collectors(
    loaded: LoadedPrograms, options: Options, stack: ExitStack
) -> CollectorRegistry:
    """Return a registry of the enabled collectors. *stack* ends their threads."""
    maps = CallMaps(loaded)
    read = OncePerScrape(maps.read)
    cgroups = start_cgroups(stack) if options["label.container"] else None
    labelling = Labelling(frozenset(options["label.drop"]), cgroups)
    collectors: dict[str, Callable[[], Collector]] = {
        "mark_calls": lambda: MarkCallsCollector(read, labelling),
        "init_calls": lambda: InitCallsCollector(read, labelling),
        "groups": lambda: GroupsCollector(start_scan(maps, options, stack).latest),
        "limits": lambda: LimitsCollector(options["path.procfs"]),
    }
    enabled = {
        name: build()
        for name, build in collectors.items()
        if options[f"collector.{name}"]
    }
    enabled["exporter_health"] = ExporterHealthCollector(loaded, read)
    return build_registry(enabled, [read])


def start_scan(maps: CallMaps, options: Options, stack: ExitStack) -> BackgroundScan:
    """Look for groups from now on, and log what keeps that from being exact."""
    scan = BackgroundScan(
        GroupScanner(
            options["path.procfs"],
            interval=options["collector.groups.interval"],
            recent_pids=partial(maps.read_group_creators, RECENT_SECONDS),
        )
    )
    if scan.inexact_reason:
        log.warning(
            "a group counts once for each of its descriptors",
            extra={"reason": scan.inexact_reason},
        )
    scan.start()
    stack.callback(scan.stop)
    return scan


def start_cgroups(stack: ExitStack) -> Cgroups:
    """Keep the names of cgroups, if this host has those that the kernel counts by."""
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
