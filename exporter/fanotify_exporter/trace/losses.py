"""Calls that were made and not shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fanotify_exporter.bpf.arrays import SharedArray
from fanotify_exporter.bpf.loaded import LoadedTrace
from fanotify_exporter.bpf.missed_runs import MissedRuns


# The text for each reason of bpf/missed_runs.py, of the programs, and of the trace.
_TEXTS: Final = {
    "dropped": "the buffer was full",
    "unread": "not shown within a second of the end",
    "unfinished": "a program had not finished them",
    "no_entry": "the entry of the call was not seen",
    "recursion": "the kernel skipped the program",
    "nmissed": "all instances of the kretprobe were in use",
    "recursion_any_syscall": "the kernel skipped the program for any system call",
}

# The reasons that have no arguments to compare with a filter.
_UNFILTERED: Final = {"no_entry", "recursion", "nmissed"}


class Losses:
    """The counts of lost calls by reason, a key of _TEXTS."""

    def __init__(self, loaded: LoadedTrace) -> None:
        """Map the counters of the *loaded* programs."""
        self._loaded = loaded
        self._dropped, self._lost = (
            SharedArray(loaded.fds[name], loaded.layouts[name])
            for name in ("dropped", "lost")
        )
        self._missed = MissedRuns(loaded)

    def read(self) -> dict[str, int]:
        """Return the counts above 0."""
        ((dropped,),) = self._dropped
        found = {"dropped": dropped, "no_entry": sum(count for (count,) in self._lost)}
        is_shared = self._loaded.hook == "raw_tracepoint"
        for name in dict.fromkeys(probe.name for probe in self._loaded.probes):
            for lost in self._missed.read(name):
                # One program of the raw tracepoint is behind all probes.
                if not (is_shared and lost.reason in found):
                    found[lost.reason] = found.get(lost.reason, 0) + lost.count
        return {reason: count for reason, count in found.items() if count}


def format_losses(counts: Mapping[str, int], *, is_filtered: bool) -> str:
    """
    Return *counts* as text.

    Args:
        is_filtered: whether calls had to have a certain caller or error to be shown.
            Then a part of the calls whose arguments no program saw was not wanted.
    """
    return ", ".join(
        f"{_at_most(reason, is_filtered=is_filtered)}{count} ({_TEXTS[reason]})"
        for reason, count in counts.items()
    )


def _at_most(reason: str, *, is_filtered: bool) -> str:
    is_bound = reason == "recursion_any_syscall" or (
        is_filtered and reason in _UNFILTERED
    )
    return "at most " if is_bound else ""
