"""The exporter put together: options in, answered scrapes out."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from pwd import struct_passwd
from typing import TYPE_CHECKING

from fanotify_exporter import __version__, logs
from fanotify_exporter.bpf import pins
from fanotify_exporter.bpf.ftrace import is_attached
from fanotify_exporter.bpf.loaded import LoadedPrograms
from fanotify_exporter.commands.assemble import Options, build_collectors
from fanotify_exporter.loader import run as loader
from fanotify_exporter.loader.sources import identity
from fanotify_exporter.options import DEFAULT_ADDRESS
from fanotify_exporter.system.privileges import SCAN_CAPABILITIES, drop, find_user
from fanotify_exporter.system.systemd import SystemdNotifier, passed_sockets
from fanotify_exporter.web import server
from fanotify_exporter.web.service import MetricsService
from fanotify_exporter.web.sockets import listen


if TYPE_CHECKING:
    from fanotify_exporter.web.access import AccessControl


log = logging.getLogger(__name__)


def serve(options: Options) -> None:
    """Attach, then answer scrapes until a signal says stop."""
    logs.setup(options["log.level"], options["log.format"])
    supervisor = SystemdNotifier(os.environ)
    with ExitStack() as stack:
        if options["web.systemd_socket"]:
            sockets = passed_sockets(os.environ)
        else:
            sockets = listen(options.get("web.listen_address", [DEFAULT_ADDRESS]))
        for each in sockets:
            stack.enter_context(each)
        door = open_door(options.get("web.config.file"), stack)
        user = find_user(options["run.user"]) if options["run.user"] else None
        loaded = load(options, stack)
        give_up_privileges(options, user)
        site = MetricsService(
            registry=build_collectors(loaded, options, stack),
            telemetry_path=options["web.telemetry_path"],
            ready=lambda: is_attached(loaded.hook),
        )
        # What exists now stays: no later garbage collection need look at it.
        gc.freeze()
        log_limits(loaded)
        asyncio.run(
            server.serve(
                site,
                sockets,
                door,
                server.Lifecycle(
                    on_started=partial(tell_start, loaded, supervisor),
                    on_stopping=partial(supervisor.notify, "STOPPING=1"),
                    watchdog=supervisor.ping_watchdog,
                ),
            )
        )


def open_door(path: Path | None, stack: ExitStack) -> AccessControl | None:
    """Return what keeps to the web configuration file, if there is one."""
    if path is None:
        return None
    from fanotify_exporter.web.access import AccessControl  # noqa: PLC0415  it brings YAML and bcrypt

    door = AccessControl(path)
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


def load(options: Options, stack: ExitStack) -> LoadedPrograms:
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


def log_limits(loaded: LoadedPrograms) -> None:
    """Log why no better hook runs, and what the one that does misses and costs."""
    for method, reason in loaded.reasons.items():
        log.info("hook not used", extra={"hook": method, "reason": reason})
    hook = {"hook": loaded.hook}
    if not loaded.sees_compat:
        log.warning("32-bit compat calls are not seen", extra=hook)
    if loaded.slows_all_syscalls:
        log.warning("this hook slows every system call of the host", extra=hook)


def tell_start(
    loaded: LoadedPrograms, supervisor: SystemdNotifier, addresses: Sequence[str]
) -> None:
    """Tell log and supervisor that scrapes are answered, where, and by what."""
    listening = ", ".join(addresses)
    status = f"STATUS=Counting by {loaded.hook}, listening on {listening}"
    supervisor.notify("READY=1", status)
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
