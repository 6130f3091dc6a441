"""Start the passes over threads inside fanotify_mark(2)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from fanotify_exporter.bpf.loaded import LoadedFsnotify
from fanotify_exporter.commands.live_sources import LiveSource
from fanotify_exporter.fsnotify.background import BackgroundScan, Scanner
from fanotify_exporter.fsnotify.call_iter import CallIterator
from fanotify_exporter.fsnotify.call_scan import CallScanner
from fanotify_exporter.fsnotify.calls_in_progress import MAX_AGE, OngoingCall


def start_call_scan(
    source: LiveSource | None,
    loaded: LoadedFsnotify | None,
    procfs: Path,
    cgroup_root: Path | None,
    stack: ExitStack,
) -> Callable[[], tuple[OngoingCall, ...] | None]:
    """
    Start the passes by *source*. *stack* stops the passes.

    Args:
        loaded: the programs with the iterator, None without.
        cgroup_root: where cgroup v2 is mounted; None if cgroup ids are not wanted.

    Returns:
        The function that returns the calls of the latest pass, None before there is one
        and without a source.
    """
    if source is None:
        return lambda: None
    scanner: Scanner[tuple[OngoingCall, ...]]
    if source.name == "iterator" and loaded:
        scanner = CallIterator(loaded)
    else:
        scanner = CallScanner(procfs, cgroup_root=cgroup_root)
    scan = BackgroundScan(scanner, "calls in progress", max_age=MAX_AGE)
    scan.start()
    stack.callback(scan.stop)
    return scan.latest
