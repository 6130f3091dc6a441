"""
Grouping of descriptors by open file: each is one fanotify group or inotify instance.

An open file with several descriptors, after dup(2), fork(2) or SCM_RIGHTS, counts once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from errno import EAGAIN, EBADF, ESRCH
from math import inf
from pathlib import Path
from types import MappingProxyType
from typing import Final

from fanotify_exporter.fsnotify.descriptors import Descriptor, Descriptors
from fanotify_exporter.fsnotify.kcmp import File, compare_files
from fanotify_exporter.fsnotify.model import DescriptorKey
from fanotify_exporter.fsnotify.throttle import yielding_gil
from fanotify_exporter.procfs.process import opened_process, shows_our_pids


# A function like compare_files().
Comparison = Callable[[File, File], int]

# So many descriptors are compared in less than 1 ms of CPU time.
COMPARED_AT_ONCE: Final = 100


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
    descriptors: Iterable[Descriptor],
    compare: Comparison | None,
    places: Mapping[DescriptorKey, int] = MappingProxyType({}),
) -> list[Descriptors]:
    """
    Return the descriptors of each open file, sorted by start of their process.

    Without *compare*, or where the kernel refuses to compare, each descriptor is
    taken for an open file of its own: the count may be too high, and no group is
    missed. A closed descriptor is left out. Privileged processes come first, so an
    ordinary process that closes and opens descriptors all the time does not disturb
    them.

    Args:
        descriptors: all of one kind.
        compare: a function like compare_files().
        places: places_of() an earlier result. A descriptor that has a place takes
            three comparisons, and any other up to twice the binary logarithm of the
            number of open files.
    """
    if compare is None:
        return [(descriptor,) for descriptor in sorted(descriptors)]
    files = _OpenFiles(compare)
    in_order = sorted(
        descriptors, key=lambda each: (not each.privileged, places.get(each.key, inf))
    )
    for descriptor in yielding_gil(in_order, COMPARED_AT_ONCE):
        files.add(descriptor)
    return [tuple(sorted(file)) for file in (*files.ordered, *files.alone)]


def places_of(files: Iterable[Descriptors]) -> dict[DescriptorKey, int]:
    """Return the place of each descriptor in the order of comparison."""
    return {each.key: place for place, file in enumerate(files) for each in file}


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
        self._compared = 0  # the latest place
        self.ordered: list[list[Descriptor]] = []
        self.alone: list[list[Descriptor]] = []

    def add(self, new: Descriptor) -> None:
        """Add *new* to the other descriptors of its open file."""
        error = self._error(new)
        while not error:
            try:
                self._place(new)
            except OSError:
                error = self._error(new)
                if self._error(self.ordered[self._compared][0]):
                    self._remove_first(self._compared)
                elif not error:
                    error = EAGAIN  # both are open: one was closed and opened again
            else:
                return
        if error not in (ESRCH, EBADF):
            self.alone.append([new])

    def _place(self, new: Descriptor) -> None:
        """Add *new*, or raise the error of a comparison with place _compared."""
        # Known descriptors come in ascending order, so the search begins at the
        # latest place and goes up in growing steps.
        low, high, step = 0, len(self.ordered), 1
        at = min(self._compared, high - 1)
        while low < high:
            self._compared = at
            result = self._compare(self.ordered[at][0].file, new.file)
            if result == 0:
                self.ordered[at].append(new)
                return
            if result < 0:
                low = at + 1
            else:
                high, step = at, len(self.ordered)
            at = min(at + step, (low + high) // 2)
            step *= 2
        self.ordered.insert(low, [new])
        self._compared = low

    def _error(self, descriptor: Descriptor) -> int:
        """Return the errno of comparing *descriptor* with itself, or 0."""
        try:
            self._compare(descriptor.file, descriptor.file)
        except OSError as error:
            return error.errno or EAGAIN
        return 0

    def _remove_first(self, place: int) -> None:
        del self.ordered[place][0]
        if not self.ordered[place]:
            del self.ordered[place]
