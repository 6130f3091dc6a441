"""
Grouping of descriptors by open file: each open file is one fanotify group.

A group with several descriptors, after dup(2), fork(2) or SCM_RIGHTS, counts once.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Callable, Iterable
from errno import EAGAIN, EBADF, ESRCH
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
    A closed descriptor is left out. Privileged processes come first, so an ordinary
    process that closes and opens descriptors all the time does not disturb them.
    """
    if compare is None:
        return [(descriptor,) for descriptor in sorted(descriptors)]
    files = _OpenFiles(compare)
    for descriptor in sorted(descriptors, key=lambda each: not each.privileged):
        files.add(descriptor)
    return [tuple(sorted(group)) for group in (*files.ordered, *files.alone)]


class _OpenFiles:
    """
    Descriptors by open file.

    Attributes:
        ordered: the descriptors of each open file, in the order of the comparison.
        alone: single descriptors that could not be compared.
    """

    def __init__(self, compare: Comparison) -> None:
        """Start without descriptors."""
        self._compare = compare
        self.ordered: list[list[GroupDescriptor]] = []
        self.alone: list[list[GroupDescriptor]] = []

    def add(self, new: GroupDescriptor) -> None:
        """Add *new* to the other descriptors of its open file."""
        error = self._error(new)
        while not error:
            compared: list[list[GroupDescriptor]] = []
            try:
                self._place(new, compared.append)
            except OSError:
                error = self._error(new)
                if self._error(compared[-1][0]):
                    self._remove_first(compared[-1])
                elif not error:
                    error = EAGAIN  # both are open: one was closed and opened again
            else:
                return
        if error not in (ESRCH, EBADF):
            self.alone.append([new])

    def _place(
        self,
        new: GroupDescriptor,
        note: Callable[[list[GroupDescriptor]], object],
    ) -> None:
        """Add *new*; call *note* with each group before comparing with the group."""

        def order(group: list[GroupDescriptor]) -> int:
            note(group)
            return self._compare(group[0].file, new.file)

        place = bisect_left(self.ordered, 0, key=order)
        if place < len(self.ordered) and order(self.ordered[place]) == 0:
            self.ordered[place].append(new)
        else:
            self.ordered.insert(place, [new])

    def _error(self, descriptor: GroupDescriptor) -> int:
        """Return the errno of comparing *descriptor* with itself, or 0."""
        try:
            self._compare(descriptor.file, descriptor.file)
        except OSError as error:
            return error.errno or EAGAIN
        return 0

    def _remove_first(self, group: list[GroupDescriptor]) -> None:
        del group[0]
        if not group:
            self.ordered.remove(group)
