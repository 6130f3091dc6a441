"""
Grouping of descriptors by open file: each open file is one fanotify group.

A group with several descriptors, after dup(2), fork(2) or SCM_RIGHTS, counts once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from errno import EBADF, ESRCH
from functools import cmp_to_key
from itertools import groupby
from pathlib import Path

from fanotify_exporter.fsnotify.descriptors import GroupDescriptor
from fanotify_exporter.fsnotify.kcmp import File, compare_files
from fanotify_exporter.procfs.process import opened_process, shows_our_pids


# A function like compare_files().
Comparison = Callable[[File, File], int]


def open_file_comparison(proc: Path) -> tuple[Comparison | None, str]:
    """Return the function that compares open files, or None and why there is none."""
    if not shows_our_pids(proc):
        return None, f"{proc} is another pid namespace's"
    with opened_process(os.getpid(), proc) as process:
        own_file = os.getpid(), process
        try:
            compare_files(own_file, own_file)
        except OSError as error:
            return None, f"kcmp: {error.strerror}"
    return compare_files, ""


def group_by_open_file(
    descriptors: Iterable[GroupDescriptor], compare: Comparison | None
) -> list[tuple[GroupDescriptor, ...]]:
    """
    Return the descriptors of each group, sorted by start of their process.

    Without *compare*, or where the kernel refuses to compare, each descriptor is
    taken for a group of its own: the count may be too high, and no group is missed.
    """
    if compare is None:
        return [(descriptor,) for descriptor in sorted(descriptors)]
    comparable, refused = _partition(descriptors, compare)
    try:
        groups = _group_equal(comparable, compare)
    except OSError:  # a descriptor was closed during the comparison: leave it out
        return group_by_open_file([*comparable, *refused], compare)
    return groups + [(descriptor,) for descriptor in refused]


def _partition(
    descriptors: Iterable[GroupDescriptor], compare: Comparison
) -> tuple[list[GroupDescriptor], list[GroupDescriptor]]:
    """Return the descriptors that can be compared and those refused, without closed."""
    comparable, refused = [], []
    for descriptor in descriptors:
        try:
            compare(descriptor.file, descriptor.file)
        except OSError as error:
            if error.errno not in (ESRCH, EBADF):
                refused.append(descriptor)
        else:
            comparable.append(descriptor)
    return comparable, refused


def _group_equal(
    descriptors: Sequence[GroupDescriptor], compare: Comparison
) -> list[tuple[GroupDescriptor, ...]]:
    key = cmp_to_key(compare)
    ordered = sorted(descriptors, key=lambda descriptor: key(descriptor.file))
    groups = groupby(ordered, key=lambda descriptor: key(descriptor.file))
    return [tuple(sorted(group)) for _, group in groups]
