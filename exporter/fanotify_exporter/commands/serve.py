"""Load the BPF programs, and serve their counts over HTTP until a signal arrives."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from pwd import struct_passwd
from typing import TYPE_CHECKING

from fanotify_exporter import __version__
from fanotify_exporter.bpf.ftrace import is_attached
from fanotify_exporter.collectors.catalog import CATALOG, droppable_labels
from fanotify_exporter.collectors.exporter_health import ServerState
from fanotify_exporter.collectors.revision import read_revision
from fanotify_exporter.commands.absences import find_absences, find_limitations
from fanotify_exporter.commands.assemble import assemble
from fanotify_exporter.commands.live_sources import find_live_sources
from fanotify_exporter.commands.programs import (
    Programs,
    confine,
    load,
    log_programs,
    needed_capabilities,
)
from fanotify_exporter.commands.version import VersionAction
from fanotify_exporter.errors import ExporterError, UsageError
from fanotify_exporter.logs.hooks import logging_bugs
from fanotify_exporter.logs.output import LogOutput, setup
from fanotify_exporter.options.flags import (
    Build,
    bpf_flags,
    collector_flags,
    label_flags,
    log_flags,
    sysfs_flag,
    web_flags,
)
from fanotify_exporter.options.model import ServeOptions, WebOptions
from fanotify_exporter.options.parser import Parser
from fanotify_exporter.procfs.mounts import is_procfs
from fanotify_exporter.system.descriptors import count_free, raise_limit
from fanotify_exporter.system.malloc import return_free_memory, use_one_arena
from fanotify_exporter.system.privileges import drop, find_user
from fanotify_exporter.system.signals import STOP_SIGNALS
from fanotify_exporter.system.systemd import SystemdNotifier, passed_sockets
from fanotify_exporter.system.unwinder import load_unwinder
from fanotify_exporter.web import server
from fanotify_exporter.web.connections import MAX_CONNECTIONS
from fanotify_exporter.web.service import MetricsService
from fanotify_exporter.web.sockets import listen


if TYPE_CHECKING:
    from fanotify_exporter.web.access import AccessControl


# Descriptors that no connection gets: scans and files have about ten open at a time.
RESERVED = 24

log = logging.getLogger(__name__)


def add_flags(parser: Parser) -> Build[ServeOptions]:
    """Add the flags of serving."""
    web = web_flags(parser)
    bpf = bpf_flags(parser)
    collectors = collector_flags(parser, CATALOG)
    labels = label_flags(parser, droppable_labels())
    sysfs_flag(parser)
    log_options = log_flags(parser)
    parser.add_argument(
        "--run.user",
        dest="user",
        metavar="NAME",
        help="drop to this user after attaching",
    )
    parser.add_argument(
        "--version", action=VersionAction, nargs=0, help="print the version and exit"
    )
    return lambda found: ServeOptions(
        web=web(found),
        bpf=bpf(found),
        labels=labels(found),
        collectors=collectors(found),
        log=log_options(found),
        user=found.user,
        unknown_variables=tuple(found.unknown_variables.items()),
    )


def run(options: ServeOptions) -> int:
    """
    Serve until SIGTERM or SIGINT arrives. Return 0.

    A signal may also have arrived before this call, or may arrive while the programs
    are loaded. The loader child is then ended, and its error is no failure.
    """
    output = setup(options.log.level, options.log.format)
    log.info(
        "starting fanotify-exporter",
        extra={"version": __version__, "revision": read_revision()},
    )
    for name, similar in options.unknown_variables:
        hint = {"did_you_mean": similar} if similar else {}
        log.warning("unknown variable: ignored", extra={"variable": name, **hint})
    try:
        with ExitStack() as stack:
            serve(options, output, stack)
    except ExporterError:
        if not STOP_SIGNALS.received:
            raise
        log_stopping()
    log.info("stopped", extra={"pins": "kept"} if options.bpf.pin else {})
    return 0


def serve(options: ServeOptions, output: LogOutput, stack: ExitStack) -> None:
    """Attach the programs, then answer scrapes until a stop signal arrives."""
    use_one_arena()
    raise_limit()
    load_unwinder()
    systemd = SystemdNotifier(os.environ)
    sockets = open_sockets(options.web, stack)
    access = read_access_control(options.web.config_file, stack)
    user = None if options.user is None else find_user(options.user)
    require_procfs(options.collectors.procfs)
    programs = load(
        options.bpf,
        stack,
        enabled=options.collectors.enabled,
        container=options.labels.container,
    )
    live = find_live_sources(programs, options.collectors)
    drop_privileges(options.collectors.enabled, user, needed_capabilities(live))
    confine(programs, live)
    output.start()
    stack.enter_context(logging_bugs())
    if access:
        access.start()
    assembled = assemble(
        programs,
        options.collectors,
        options.labels,
        stack,
        ServerState(
            log_records_dropped=lambda: output.dropped,
            web_config_age=access.age if access else None,
        ),
        live=live,
        created_samples=options.web.created_samples,
    )
    service = MetricsService(
        registry=assembled.registry,
        telemetry_path=options.web.telemetry_path,
        ready=lambda: all(is_attached(each.hook) for each in programs.sets),
        absences=find_absences(live),
        limitations=find_limitations(programs, live),
        waits=assembled.read_waits,
        unmarked=assembled.read_unmarked,
        max_connections=min(MAX_CONNECTIONS, max(1, count_free() - RESERVED)),
    )
    # These objects live until the exit, so garbage collections may skip them.
    gc.freeze()
    return_free_memory()
    log_programs(programs, live)
    lifecycle = server.Lifecycle(
        on_started=partial(report_start, programs, systemd),
        on_stopping=partial(report_stop, systemd),
        watchdog=systemd.ping_watchdog,
    )
    asyncio.run(serve_until_stopped(service, sockets, access, lifecycle))


async def serve_until_stopped(
    service: MetricsService,
    sockets: Sequence[socket.socket],
    access: AccessControl | None,
    lifecycle: server.Lifecycle,
) -> None:
    """Serve until a stop signal arrives, or at once stop if one has arrived."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    # Only call_soon_threadsafe wakes a loop that waits for sockets.
    with STOP_SIGNALS.reacting(partial(loop.call_soon_threadsafe, stop.set)):
        await server.serve(service, sockets, stop, access, lifecycle)


def open_sockets(options: WebOptions, stack: ExitStack) -> list[socket.socket]:
    """Return the listening sockets. *stack* closes them."""
    if options.systemd_socket:
        sockets = passed_sockets(os.environ)
    else:
        sockets = listen(options.listen_addresses)
    for each in sockets:
        stack.enter_context(each)
    return sockets


def read_access_control(path: Path | None, stack: ExitStack) -> AccessControl | None:
    """Return the access control of the web configuration file at *path*, if any."""
    if path is None:
        return None
    from fanotify_exporter.web.access import AccessControl  # noqa: PLC0415  it imports YAML and bcrypt: 3 MB

    access = AccessControl(path)
    stack.callback(access.stop)
    return access


def require_procfs(path: Path) -> None:
    """
    Check the mount point of the host's procfs.

    Raises:
        UsageError: no procfs is mounted at *path*.
    """
    if not is_procfs(path):
        raise UsageError(
            f"--path.procfs: there is no procfs at {path}. Name the folder where the "
            "host's procfs is mounted"
        )


def drop_privileges(
    enabled: frozenset[str],
    user: struct_passwd | None,
    more: frozenset[str] = frozenset(),
) -> None:
    """Keep the capabilities of the *enabled* collectors and *more*; run as *user*."""
    needed = more.union(
        *(each.capabilities for each in CATALOG if each.name in enabled)
    )
    kept = drop(needed, user)
    log.info(
        "dropped privileges",
        extra={
            "capabilities_kept": ",".join(sorted(kept)) or "none",
            "uid": os.geteuid(),
        },
    )


def report_start(
    programs: Programs, systemd: SystemdNotifier, addresses: Sequence[str]
) -> None:
    """Report to systemd and to the log that the exporter answers on *addresses*."""
    calls, sets = programs.calls, programs.sets
    counting = f"Counting by {calls.hook}" if calls.syscalls else "Counting no calls"
    listening = ", ".join(addresses)
    systemd.notify("READY=1", f"STATUS={counting}, listening on {listening}")
    points = dict.fromkeys(probe.attach_point for each in sets for probe in each.probes)
    log.info(
        "listening",
        extra={
            "version": __version__,
            "address": ",".join(addresses),
            "hook": calls.hook,
            "attach_points": ",".join(points),
            "kernel": os.uname().release,
            "bcc": programs.bcc,
        },
    )


def report_stop(systemd: SystemdNotifier) -> None:
    """Report to systemd and to the log that the exporter stops."""
    systemd.notify("STOPPING=1")
    log_stopping()


def log_stopping() -> None:
    """Log which signal stops the exporter."""
    received = STOP_SIGNALS.received
    log.info("stopping", extra={"signal": received.name if received else "none"})
