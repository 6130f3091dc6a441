"""Load or adopt the BPF programs that the enabled collectors need."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from fanotify_exporter.bpf import pins
from fanotify_exporter.bpf.iterator import BPF_ITER_CREATE
from fanotify_exporter.bpf.loaded import (
    NO_PROGRAMS,
    LoadedCalls,
    LoadedPermission,
    LoadedPrograms,
)
from fanotify_exporter.bpf.missed_runs import BPF_OBJ_GET_INFO_BY_FD, sums_are_exact
from fanotify_exporter.bpf.pins import PinFolder
from fanotify_exporter.collectors.catalog import SCAN_CAPABILITIES, needed_syscalls
from fanotify_exporter.commands.wait_source import WaitSource
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
    """

    calls: LoadedCalls
    permission: LoadedPermission | None = None
    permission_reason: str = ""

    @property
    def bcc(self) -> str:
        """Return the version of bcc that compiled the programs, "none" without any."""
        return next((each.bcc for each in self.sets), "none")

    @property
    def sets(self) -> tuple[LoadedPrograms, ...]:
        """Return the sets of programs that are attached."""
        calls = (self.calls,) if self.calls.syscalls else ()
        return (*calls, self.permission) if self.permission else calls


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
    removed otherwise. Without programs that count permission waits the exporter runs,
    also if these cannot be pinned.

    Raises:
        LoadError: no method attaches the programs that count calls.
        PinError: the folder of the pins cannot be used, or the kernel refuses to pin
            the programs that count calls.
    """
    folder = stack.enter_context(pins.locked(options.pin)) if options.pin else None
    wanted: list[str] = []
    syscalls = needed_syscalls(enabled)
    calls, permission, reason = NO_PROGRAMS, None, ""
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
        try:
            permission = _adopt_or(attach_waits, folder, wanted[-1])
        except LoadError as error:
            reason = error.why
        except PinError as error:
            reason = str(error)
    if folder:
        pins.remove_others(folder, wanted)
    return Programs(calls, permission, reason)


def _adopt_or(
    attach: Callable[[], Loaded], folder: PinFolder | None, identity: str
) -> Loaded:
    return pins.adopt_or_load(folder, identity, attach) if folder else attach()


def needed_capabilities(source: WaitSource | None) -> frozenset[str]:
    """
    Return the capabilities that listing the waiting tasks takes, while serving.

    Call before privileges are dropped.

    Args:
        source: of the waiting tasks; None if the collector is off.
    """
    # Since 5.19 (c86df29d11df) the commands of bpf(2) that take only descriptors need
    # no capability. Before, CAP_SYS_ADMIN stands for CAP_BPF.
    if source and source.name == "iterator" and kernel_version() < (5, 19):
        holds_bpf = "CAP_BPF" in read_capabilities()
        return frozenset({"CAP_BPF" if holds_bpf else "CAP_SYS_ADMIN"})
    if source and source.name == "procfs":
        return SCAN_CAPABILITIES
    return frozenset()


def confine(programs: Programs, source: WaitSource | None = None) -> None:
    """
    Refuse this process the system calls that serving does not need.

    Args:
        source: of the waiting tasks; None if the collector is off.
    """
    reads_links = any(probe.links for each in programs.sets for probe in each.probes)
    commands = [BPF_OBJ_GET_INFO_BY_FD] if reads_links else []
    if source and source.name == "iterator":
        commands.append(BPF_ITER_CREATE)
    try:
        seccomp.install(commands)
    except OSError as error:
        log.warning("serving without a seccomp filter", extra={"reason": error})


def log_programs(programs: Programs, source: WaitSource | None) -> None:
    """
    Log what is attached, what failed, and what the hooks miss and cost.

    Args:
        source: of the waiting tasks; None if the collector is off.
    """
    _log_calls(programs.calls)
    waits = programs.permission
    if programs.permission_reason:
        log.warning(
            "permission waits are not counted",
            extra={
                "missing": ",".join(COUNTED_FAMILIES),
                "reason": programs.permission_reason,
            },
        )
    elif waits:
        log.info("attached", extra={"programs": "permission", "hook": waits.hook})
    if source and source.name == "none":
        log.warning(
            "tasks that wait for a permission listener are not seen",
            extra={"missing": ",".join(SEEN_FAMILIES), "reason": source.reason},
        )
    elif source and source.name == "procfs":
        log.info(
            "tasks that wait for a permission listener are read from /proc",
            extra={"reason": source.reason},
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
