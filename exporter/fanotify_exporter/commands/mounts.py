"""Start the scan for mounts, and turn its result into rows of the landing page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from heapq import nsmallest
from itertools import chain
from pathlib import Path

from fanotify_exporter.fsnotify.background import BackgroundScan
from fanotify_exporter.fsnotify.model import GroupScan
from fanotify_exporter.fsnotify.mount_coverage import Coverage, find_coverage
from fanotify_exporter.fsnotify.mount_table import MAX_AGE, MountScanner, MountTable
from fanotify_exporter.landing.mounts import UnmarkedMount, UnmarkedMounts
from fanotify_exporter.procfs.mountinfo import Mount
from fanotify_exporter.uapi.printable import printable_text


# Rows of the table, so that the tables fit on one screen.
MAX_ROWS = 10

# Characters of a path on the page. A path has up to 4,096 bytes, and a user may choose
# the path of a FUSE filesystem.
MAX_PATH = 120


def start_mount_scan(procfs: Path, stack: ExitStack) -> Callable[[], MountTable | None]:
    """
    Start the background scan for mounts. *stack* stops the scan.

    The scan has a thread of its own: reading waits while a mount or an unmount of any
    program hangs, for example on a file server that does not answer.

    Returns:
        The function that returns the latest result, None before there is one.
    """
    scan = BackgroundScan(MountScanner(procfs), "mounts", max_age=MAX_AGE)
    scan.start()
    stack.callback(scan.stop)
    return scan.latest


def reading_unmarked(
    read_groups: Callable[[], GroupScan | None],
    read_mounts: Callable[[], MountTable | None],
) -> Callable[[], UnmarkedMounts | None]:
    """
    Return the function that the landing page calls for mounts without marks.

    The function returns None before the first scans, and while scans fail: then the
    collector mount_coverage fails too, and the page says so.
    """

    def read() -> UnmarkedMounts | None:
        try:
            scan, table = read_groups(), read_mounts()
        except RuntimeError:
            return None
        return to_rows(scan, table) if scan and table else None

    return read


def to_rows(scan: GroupScan, table: MountTable) -> UnmarkedMounts:
    """Return the mounts that programs which block do not cover."""
    blocking = [each for each in find_coverage(scan.groups, table) if each.can_block]
    unmarked = chain.from_iterable(map(partial(_unmarked, table), blocking))
    number = sum(len(table.mounts) - len(each.covered) for each in blocking)
    rows = nsmallest(
        MAX_ROWS,
        unmarked,
        key=lambda found: (not found[2], found[1].mount_point, found[0]),
    )
    return UnmarkedMounts([_row(*each) for each in rows], number - len(rows))


def _unmarked(
    table: MountTable, program: Coverage
) -> Iterator[tuple[str, Mount, bool]]:
    """Yield the comm, each mount, and whether *program* covers others of its type."""
    fstypes = {table.mounts[each].fstype for each in program.covered}
    for mount_id, mount in table.mounts.items():
        if mount_id not in program.covered:
            yield program.comm, mount, mount.fstype in fstypes


def _row(comm: str, mount: Mount, marks_others: bool) -> UnmarkedMount:  # noqa: FBT001
    path = printable_text(mount.mount_point)
    if len(path) > MAX_PATH:
        path = f"{path[: MAX_PATH - 1]}…"
    return UnmarkedMount(comm, path, printable_text(mount.fstype), marks_others)
