"""The exporter put together: options in, answered scrapes out."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from pwd import struct_passwd
from typing import TYPE_CHECKING, Any

from exporter import __version__, loader, logs, pins, web
from exporter.containers import Cgroups
from exporter.exporter_health import ExporterHealthCollector
from exporter.flags import DEFAULT_ADDRESS
from exporter.ftrace import is_attached
from exporter.group_scan import BackgroundScan, GroupScanner
from exporter.groups import GroupsCollector
from exporter.handover import Loaded
from exporter.init_calls import InitCallsCollector
from exporter.limits import LimitsCollector
from exporter.maps import Maps, shared
from exporter.mark_calls import MarkCallsCollector
from exporter.pages import Site
from exporter.privileges import SCAN_CAPABILITIES, drop, find_user
from exporter.procfs import read_mounted
from exporter.registry import Collector, build_registry
from exporter.series import Labelling
from exporter.sharing import SHARE_SECONDS
from exporter.sources import identity
from exporter.systemd import Supervisor, passed_sockets


if TYPE_CHECKING:
    from exporter.door import Door


Options = Mapping[str, Any]

RECENT_SECONDS = 3.0
"""A process that made a group is looked at for so long: its group may move on."""

log = logging.getLogger(__name__)


def serve(options: Options) -> None:
    """Attach, then answer scrapes until a signal says stop."""
    logs.setup(options["log.level"], options["log.format"])
    supervisor = Supervisor(os.environ)
    with ExitStack() as stack:
        if options["web.systemd_socket"]:
            sockets = passed_sockets(os.environ)
        else:
            sockets = web.listen(options.get("web.listen_address", [DEFAULT_ADDRESS]))
        for each in sockets:
            stack.enter_context(each)
        door = open_door(options.get("web.config.file"), stack)
        user = find_user(options["run.user"]) if options["run.user"] else None
        loaded = load(options, stack)
        give_up_privileges(options, user)
        site = Site(
            registry=build_registry(build_collectors(loaded, options, stack)),
            telemetry_path=options["web.telemetry_path"],
            ready=lambda: is_attached(loaded.hook),
        )
        # What exists now stays: no later garbage collection need look at it.
        gc.freeze()
        log_limits(loaded)
        started = partial(tell_start, loaded, supervisor)
        asyncio.run(web.serve(site, sockets, started, door, supervisor))


def open_door(path: Path | None, stack: ExitStack) -> Door | None:
    """Return what keeps to the web configuration file, if there is one."""
    if path is None:
        return None
    from exporter.door import Door  # noqa: PLC0415  it brings YAML and bcrypt

    door = Door(path)
    stack.callback(door.stop)
    return door


def give_up_privileges(options: Options, user: struct_passwd | None) -> None:
    """Keep only what the collectors need from now on."""
    needed = SCAN_CAPABILITIES if options["collector.groups"] else frozenset[str]()
    kept = drop(needed, user)
    log.info(
        "gave up privileges",
        extra={
            "capabilities": ",".join(sorted(kept)) or "none",
            "user": user.pw_name if user else str(os.geteuid()),
        },
    )


def load(options: Options, stack: ExitStack) -> Loaded:
    """Attach, or take over what an earlier exporter pinned and this one would load."""
    hook, max_entries = options["bpf.hook"], options["bpf.max_entries"]
    container = options["label.container"]
    attach = partial(loader.load, hook, max_entries, container=container)
    directory = options["bpf.pin"]
    if not directory:
        return attach()
    stack.enter_context(pins.locked(directory))
    wanted = identity(hook, max_entries, container)
    return pins.adopt_or_load(directory, wanted, attach)


def build_collectors(
    loaded: Loaded, options: Options, stack: ExitStack
) -> dict[str, Collector]:
    """Return the collectors that are switched on; *stack* ends their threads."""
    maps = Maps(loaded)
    read = shared(maps.read, seconds=SHARE_SECONDS)
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
    return enabled | {"exporter_health": ExporterHealthCollector(loaded, read)}


def start_scan(maps: Maps, options: Options, stack: ExitStack) -> BackgroundScan:
    """Look for groups from now on, and log what keeps that from being exact."""
    scan = BackgroundScan(
        GroupScanner(
            options["path.procfs"],
            interval=options["collector.groups.interval"],
            recent_pids=partial(maps.group_creators, RECENT_SECONDS),
        )
    )
    if scan.why_inexact:
        log.warning(
            "a group counts once for each of its descriptors",
            extra={"reason": scan.why_inexact},
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


def log_limits(loaded: Loaded) -> None:
    """Log why no better hook runs, and what the one that does misses and costs."""
    for rung, reason in loaded.reasons.items():
        log.info("hook not used", extra={"hook": rung, "reason": reason})
    hook = {"hook": loaded.hook}
    if not loaded.compat:
        log.warning("32-bit compat calls are not seen", extra=hook)
    if loaded.taxes:
        log.warning("this hook slows every system call of the host", extra=hook)


def tell_start(
    loaded: Loaded, supervisor: Supervisor, addresses: Sequence[str]
) -> None:
    """Tell log and supervisor that scrapes are answered, where, and by what."""
    listening = ", ".join(addresses)
    status = f"STATUS=Counting by {loaded.hook}, listening on {listening}"
    supervisor.tell("READY=1", status)
    log.info(
        "listening",
        extra={
            "version": __version__,
            "address": ",".join(addresses),
            "hook": ",".join(probe.hook for probe in loaded.probes),
            "kernel": os.uname().release,
            "bcc": loaded.bcc,
        },
    )
