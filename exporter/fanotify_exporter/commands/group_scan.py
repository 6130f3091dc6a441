"""Start the background scan for groups and inotify instances."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from fanotify_exporter.bpf.loaded import LoadedFsnotify
from fanotify_exporter.commands.live_sources import LiveSource
from fanotify_exporter.fsnotify import file_iter, proc_scan
from fanotify_exporter.fsnotify.background import BackgroundScan
from fanotify_exporter.fsnotify.file_iter import FileIterator
from fanotify_exporter.fsnotify.group_scan import MAX_AGE, GroupScanner, Source
from fanotify_exporter.fsnotify.model import GroupScan
from fanotify_exporter.fsnotify.proc_scan import ProcScan
from fanotify_exporter.options.model import CollectorOptions


log = logging.getLogger(__name__)


def make_group_source(
    source: LiveSource | None,
    iterator: LoadedFsnotify | None,
    options: CollectorOptions,
) -> Source:
    """
    Return what lists groups and inotify instances.

    Warns if open files cannot be told apart.

    Args:
        source: the best source of this host.
        iterator: the loaded iterator, None without.
    """
    if source and source.name == "iterator" and iterator:
        interval = options.groups_interval or file_iter.INTERVAL_SECONDS
        return FileIterator(iterator, options.procfs, interval=interval)
    interval = options.groups_interval or proc_scan.INTERVAL_SECONDS
    scan = ProcScan(options.procfs, interval=interval)
    if scan.inexact_reason:
        log.warning(
            "cannot compare descriptors (kcmp): shared groups are counted more than "
            "once",
            extra={"reason": scan.inexact_reason},
        )
    return scan


def start_group_scan(
    make_source: Callable[[], Source], procfs: Path, stack: ExitStack
) -> Callable[[], GroupScan | None]:
    """
    Start the background scan for groups and instances. *stack* stops the scan.

    Args:
        make_source: returns what lists groups and instances.
        procfs: mount point of the host's procfs, with the marks and watches.

    Returns:
        The function that returns the latest result, None before there is one.
    """
    scanner = GroupScanner(make_source(), procfs)
    scan = BackgroundScan(scanner, "groups", max_age=MAX_AGE)
    scan.start()
    stack.callback(scan.stop)
    return scan.latest
