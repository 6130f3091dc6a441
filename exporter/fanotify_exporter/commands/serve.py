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
from fanotify_exporter.bpf import pins
from fanotify_exporter.bpf.ftrace import is_attached
from fanotify_exporter.bpf.loaded import NO_PROGRAMS, SYSCALLS, LoadedPrograms
from fanotify_exporter.bpf.missed_runs import BPF_OBJ_GET_INFO_BY_FD, sums_are_exact
from fanotify_exporter.collectors.catalog import (
    CATALOG,
    droppable_labels,
    needed_syscalls,
)
from fanotify_exporter.collectors.exporter_health import ServerState
from fanotify_exporter.collectors.revision import read_revision
from fanotify_exporter.commands.assemble import build_collectors
from fanotify_exporter.commands.version import VersionAction
from fanotify_exporter.errors import ExporterError, UsageError
from fanotify_exporter.landing.summary import Absence
from fanotify_exporter.loader import run as loader
from fanotify_exporter.loader.sources import identity
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
from fanotify_exporter.options.model import BpfOptions, ServeOptions, WebOptions
from fanotify_exporter.options.parser import Parser
from fanotify_exporter.procfs.mounts import is_procfs
from fanotify_exporter.system import seccomp
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
    loaded = load(
        options.bpf,
        stack,
        container=options.labels.container,
        syscalls=needed_syscalls(options.collectors.enabled),
    )
    drop_privileges(options.collectors.enabled, user)
    confine(loaded)
    output.start()
    stack.enter_context(logging_bugs())
    if access:
        access.start()
    service = MetricsService(
        registry=build_collectors(
            loaded,
            options.collectors,
            options.labels,
            stack,
            ServerState(
                log_records_dropped=lambda: output.dropped,
                web_config_age=access.age if access else None,
            ),
            created_samples=options.web.created_samples,
        ),
        telemetry_path=options.web.telemetry_path,
        ready=lambda: is_attached(loaded.hook),
        absences={
            each.name: Absence(each.family, each.missing)
            for each in CATALOG
            if each.missing
        },
        max_connections=min(MAX_CONNECTIONS, max(1, count_free() - RESERVED)),
    )
    # These objects live until the exit, so garbage collections may skip them.
    gc.freeze()
    return_free_memory()
    log_limits(loaded)
    lifecycle = server.Lifecycle(
        on_started=partial(report_start, loaded, systemd),
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


def load(
    options: BpfOptions,
    stack: ExitStack,
    *,
    container: bool = False,
    syscalls: tuple[str, ...] = SYSCALLS,
) -> LoadedPrograms:
    """
    Attach the programs that count *syscalls*, or adopt those of an earlier exporter.

    Pinned programs are adopted only if this exporter would load the same ones, and are
    removed otherwise.
    """
    if not syscalls:
        if options.pin:
            with pins.locked(options.pin) as folder:
                pins.unpin(folder)
        return NO_PROGRAMS
    settings = (options.hook, options.max_entries, options.max_user_entries)
    attach = partial(loader.load, *settings, container=container, syscalls=syscalls)
    if not options.pin:
        return attach()
    folder = stack.enter_context(pins.locked(options.pin))
    wanted = identity(*settings, container, syscalls)
    return pins.adopt_or_load(folder, wanted, attach)


def drop_privileges(enabled: frozenset[str], user: struct_passwd | None) -> None:
    """Keep only the capabilities of the *enabled* collectors; run as *user*, if any."""
    needed = frozenset[str]().union(
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


def confine(loaded: LoadedPrograms) -> None:
    """Refuse this process the system calls that serving does not need."""
    reads_links = any(probe.links for probe in loaded.probes)
    try:
        seccomp.install([BPF_OBJ_GET_INFO_BY_FD] if reads_links else [])
    except OSError as error:
        log.warning("serving without a seccomp filter", extra={"reason": error})


def log_limits(loaded: LoadedPrograms) -> None:
    """Log which hooks failed, and what the attached hook misses and costs."""
    if not loaded.syscalls:
        log.info("no enabled collector counts calls: nothing is attached")
        return
    for hook, reason in loaded.reasons.items():
        log.debug("hook not used", extra={"hook": hook, "reason": reason})
    skipped = "; ".join(f"{hook}: {why}" for hook, why in loaded.reasons.items())
    attached = {"hook": loaded.hook}
    log.info("attached", extra=attached | ({"skipped": skipped} if skipped else {}))
    if not loaded.sees_compat:
        log.warning("32-bit compat calls are not counted", extra=attached)
    if loaded.uid_reason:
        log.warning(
            "uid 0, and not CAP_SYS_ADMIN, decides which callers are privileged",
            extra={**attached, "reason": loaded.uid_reason},
        )
    if loaded.slows_all_syscalls:
        log.warning("this hook slows every system call of the host", extra=attached)
    if not sums_are_exact(loaded.hook):
        log.warning("sums of calls may be low on this hook", extra=attached)


def report_start(
    loaded: LoadedPrograms, systemd: SystemdNotifier, addresses: Sequence[str]
) -> None:
    """Report to systemd and to the log that the exporter answers on *addresses*."""
    counting = f"Counting by {loaded.hook}" if loaded.syscalls else "Counting no calls"
    listening = ", ".join(addresses)
    systemd.notify("READY=1", f"STATUS={counting}, listening on {listening}")
    log.info(
        "listening",
        extra={
            "version": __version__,
            "address": ",".join(addresses),
            "hook": loaded.hook,
            "attach_points": ",".join(probe.attach_point for probe in loaded.probes),
            "kernel": os.uname().release,
            "bcc": loaded.bcc,
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
