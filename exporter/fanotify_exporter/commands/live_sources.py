"""Decide where the live state is listed: by the kernel's iterators or from /proc."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from fanotify_exporter.bpf.loaded import LoadedFsnotify
from fanotify_exporter.collectors.catalog import IN_PROGRESS_COLLECTOR, needs_groups
from fanotify_exporter.commands.wait_source import WaitSource, find_wait_source
from fanotify_exporter.options.model import CollectorOptions
from fanotify_exporter.procfs.pid_namespace import is_initial_pid_namespace


if TYPE_CHECKING:
    from fanotify_exporter.commands.programs import Programs


@dataclass(frozen=True, slots=True)
class LiveSource:
    """
    A source of groups and instances, or of calls in progress.

    Attributes:
        reason: why the source is not "iterator"; empty if it is.
    """

    name: Literal["iterator", "procfs"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LiveSources:
    """
    The sources of what exists now; None if no collector reads them.

    Attributes:
        groups: of groups and instances.
        waits: of tasks that wait for a permission listener.
        calls: of threads inside fanotify_mark(2).
    """

    groups: LiveSource | None = None
    waits: WaitSource | None = None
    calls: LiveSource | None = None

    @property
    def use_iterators(self) -> bool:
        """Return whether an iterator is used."""
        used = (self.groups, self.waits, self.calls)
        return any(source and source.name == "iterator" for source in used)


NO_SOURCES: Final = LiveSources()


def find_live_sources(programs: Programs, options: CollectorOptions) -> LiveSources:
    """
    Return the best sources of this host for the enabled collectors.

    Call before privileges are dropped: find_wait_source() has the reason.
    """
    groups = waits = calls = None
    if "permission" in options.enabled:
        waits = find_wait_source(programs.permission, options.procfs)
    if needs_groups(options.enabled) or (waits and waits.name == "procfs"):
        groups = find_group_source(programs.fsnotify, programs.fsnotify_reason)
    if IN_PROGRESS_COLLECTOR in options.enabled:
        calls = find_call_source(programs.fsnotify, programs.fsnotify_reason)
    return LiveSources(groups, waits, calls)


def find_call_source(loaded: LoadedFsnotify | None, reason: str = "") -> LiveSource:
    """
    Return the best source of calls in progress; the arguments as find_group_source().

    The kernel may refuse the iterator over threads alone.
    """
    if loaded and loaded.calls_reason:
        return LiveSource("procfs", loaded.calls_reason)
    return find_group_source(loaded, reason)


def find_group_source(loaded: LoadedFsnotify | None, reason: str = "") -> LiveSource:
    """
    Return the best source of this host.

    Args:
        loaded: the iterator, None without.
        reason: why there is no iterator.
    """
    if loaded is None:
        return LiveSource("procfs", reason)
    if not is_initial_pid_namespace():
        return LiveSource(
            "procfs",
            "in a pid namespace that is not the host's (--pid=host, hostPID: true) the "
            "iterator lists the processes of that namespace only",
        )
    return LiveSource("iterator")
