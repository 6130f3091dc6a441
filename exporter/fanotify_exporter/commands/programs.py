"""Load or adopt the BPF programs that the enabled collectors need."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from fanotify_exporter.bpf import pins
from fanotify_exporter.bpf.iterator import BPF_ITER_CREATE
from fanotify_exporter.bpf.loaded import (
    NO_PROGRAMS,
    LoadedCalls,
    LoadedEvents,
    LoadedFsnotify,
    LoadedPermission,
    LoadedPrograms,
)
from fanotify_exporter.bpf.missed_runs import BPF_OBJ_GET_INFO_BY_FD, sums_are_exact
from fanotify_exporter.bpf.pins import PinFolder
from fanotify_exporter.collectors.catalog import (
    IN_PROGRESS_COLLECTOR,
    SCAN_CAPABILITIES,
    needed_syscalls,
    needs_groups,
)
from fanotify_exporter.commands.live_sources import LiveSources
from fanotify_exporter.errors import LoadError, PinError
from fanotify_exporter.loader import run as loader
from fanotify_exporter.loader.sources import identity
from fanotify_exporter.options.model import BpfOptions
from fanotify_exporter.procfs.capabilities import read_capabilities
from fanotify_exporter.system import seccomp
from fanotify_exporter.system.machine import kernel_version


Loaded = TypeVar("Loaded", bound=LoadedPrograms)

log = logging.getLogger(__name__)

# What the exporter lacks without programs that count permission waits.
COUNTED_FAMILIES = (
    "fanotify_permission_wait_seconds",
    "fanotify_permission_waits_total",
    "fanotify_permission_responses_total",
    "fanotify_unchecked_accesses_total",
)

# What the exporter lacks where waiting tasks are not seen.
SEEN_FAMILIES = (
    "fanotify_permission_waiting_tasks",
    "fanotify_permission_oldest_wait_seconds",
)


@dataclass(frozen=True, slots=True)
class Programs:
    """
    The programs that are attached.

    Attributes:
        calls: the programs that count calls; NO_PROGRAMS if no collector needs them.
        permission: the programs that count permission waits, None without.
        permission_reason: why no program counts permission waits; empty if the
            collector is off or the programs are attached.
        fsnotify: the iterator over groups and instances, None without.
        fsnotify_reason: why there is no iterator; empty if no collector needs the
            iterator, or there is one.
        events: the programs that count events, None without.
        events_reason: why no program counts events; empty if the collector is off or
            the programs are attached.
    """

    calls: LoadedCalls
    permission: LoadedPermission | None = None
    permission_reason: str = ""
    fsnotify: LoadedFsnotify | None = None
    fsnotify_reason: str = ""
    events: LoadedEvents | None = None
    events_reason: str = ""

    @property
    def bcc(self) -> str:
        """Return the version of bcc that compiled the programs, "none" without any."""
        loaded = (*self.sets, *([self.fsnotify] if self.fsnotify else []))
        return next((each.bcc for each in loaded), "none")

    @property
    def sets(self) -> tuple[LoadedPrograms, ...]:
        """Return the sets of programs that are attached."""
        calls = self.calls if self.calls.syscalls else None
        return tuple(each for each in (calls, self.permission, self.events) if each)


def load(
    options: BpfOptions,
    stack: ExitStack,
    *,
    enabled: Collection[str],
    container: bool = False,
) -> Programs:
    """
    Attach the programs for the *enabled* collectors, or adopt pinned programs.

    Pinned programs are adopted only if this exporter would load the same ones, and are
    removed otherwise. Without programs that count permission waits or events, and
    without the iterator over groups, the exporter runs, also if these cannot be pinned.

    Raises:
        LoadError: no method attaches the programs that count calls.
        PinError: the folder of the pins cannot be used, or the kernel refuses to pin
            the programs that count calls.
    """
    folder = stack.enter_context(pins.locked(options.pin)) if options.pin else None
    wanted: list[str] = []
    syscalls = needed_syscalls(enabled)
    calls = NO_PROGRAMS
    permission, permission_reason, fsnotify, fsnotify_reason = None, "", None, ""
    events, events_reason = None, ""
    if syscalls:
        settings = (options.hook, options.max_entries, options.max_user_entries)
        wanted.append(identity("calls", *settings, container, syscalls))
        attach = partial(loader.load, *settings, container=container, syscalls=syscalls)
        calls = _adopt_or(attach, folder, wanted[-1])
    if "permission" in enabled:
        wanted.append(identity("permission", options.hook, container))
        attach_waits = partial(
            loader.load_permission, options.hook, container=container
        )
        permission, permission_reason = _try(attach_waits, folder, wanted[-1])
    if needs_groups(enabled) or IN_PROGRESS_COLLECTOR in enabled:
        wanted.append(identity("fsnotify"))
        fsnotify, fsnotify_reason = _try(loader.load_fsnotify, folder, wanted[-1])
    if "events" in enabled:
        wanted.append(identity("events", options.hook, container))
        attach_events = partial(loader.load_events, options.hook, container=container)
        events, events_reason = _try(attach_events, folder, wanted[-1])
    if folder:
        pins.remove_others(folder, wanted)
    return Programs(
        calls,
        permission,
        permission_reason,
        fsnotify,
        fsnotify_reason,
        events,
        events_reason,
    )


def _try(
    attach: Callable[[], Loaded], folder: PinFolder | None, identity: str
) -> tuple[Loaded | None, str]:
    """Return the programs and "", or None and why there are none."""
    try:
        return _adopt_or(attach, folder, identity), ""
    except LoadError as error:
        return None, error.why
    except PinError as error:
        return None, str(error)


def _adopt_or(
    attach: Callable[[], Loaded], folder: PinFolder | None, identity: str
) -> Loaded:
    return pins.adopt_or_load(folder, identity, attach) if folder else attach()


def needed_capabilities(live: LiveSources) -> frozenset[str]:
    """
    Return the capabilities that the iterators and waiting tasks take, while serving.

    The collectors' own capabilities are in the catalogue. Call before privileges are
    dropped.
    """
    needed = frozenset[str]()
    # Since 5.19 (c86df29d11df) the commands of bpf(2) that take only descriptors need
    # no capability. Before, CAP_SYS_ADMIN stands for CAP_BPF.
    if live.use_iterators and kernel_version() < (5, 19):
        holds_bpf = "CAP_BPF" in read_capabilities()
        needed |= {"CAP_BPF" if holds_bpf else "CAP_SYS_ADMIN"}
    if any(each and each.name == "procfs" for each in (live.waits, live.calls)):
        needed |= SCAN_CAPABILITIES
    return needed


def confine(programs: Programs, live: LiveSources) -> None:
    """Refuse this process the system calls that serving does not need."""
    reads_links = any(probe.links for each in programs.sets for probe in each.probes)
    commands = [BPF_OBJ_GET_INFO_BY_FD] if reads_links else []
    if live.use_iterators:
        commands.append(BPF_ITER_CREATE)
    try:
        seccomp.install(commands)
    except OSError as error:
        log.warning("serving without a seccomp filter", extra={"reason": error})


def log_programs(programs: Programs, live: LiveSources) -> None:
    """Log what is attached, what failed, and what the hooks miss and cost."""
    _log_calls(programs.calls)
    _log_counting(
        "permission",
        "permission waits",
        programs.permission,
        programs.permission_reason,
        COUNTED_FAMILIES,
    )
    events = programs.events, programs.events_reason
    _log_counting("events", "events", *events, ("fanotify_events_total",))
    _log_live_sources(live)


def _log_counting(
    name: str,
    counted: str,
    loaded: LoadedPrograms | None,
    reason: str,
    missing: Sequence[str],
) -> None:
    """Log the hook of the set of programs *name*, or the *reason* for having none."""
    if reason:
        why = {"missing": ",".join(missing), "reason": reason}
        log.warning("%s are not counted", counted, extra=why)
    elif loaded:
        log.info("attached", extra={"programs": name, "hook": loaded.hook})


def _log_live_sources(live: LiveSources) -> None:
    waits, groups = live.waits, live.groups
    if waits and waits.name == "none":
        log.warning(
            "tasks that wait for a permission listener are not seen",
            extra={"missing": ",".join(SEEN_FAMILIES), "reason": waits.reason},
        )
    elif waits and waits.name == "procfs":
        log.info(
            "tasks that wait for a permission listener are read from /proc",
            extra={"reason": waits.reason},
        )
    if groups and groups.name == "procfs":
        log.info(
            "groups and inotify instances are read from /proc",
            extra={"reason": groups.reason},
        )
    if live.calls and live.calls.name == "procfs":
        log.info(
            "calls of fanotify_mark in progress are read from /proc",
            extra={"reason": live.calls.reason},
        )


def _log_calls(loaded: LoadedCalls) -> None:
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
