"""Calls that were made and not received."""

from __future__ import annotations

from fanotify_exporter.bpf.arrays import SharedArray
from fanotify_exporter.bpf.loaded import LoadedTrace
from fanotify_exporter.bpf.missed_runs import MissedRuns


# What a reader needs to know of each reason of bpf/missed_runs.py and of the programs.
TEXTS = {
    "dropped": "the buffer was full",
    "unread": "the reader did not take them",
    "no_entry": "the entry of the call was not seen",
    "recursion": "the kernel skipped the program",
    "nmissed": "the kernel had no room for the return",
    "recursion_any_syscall": "at most: the kernel skipped the program",
}


class Losses:
    """The counts of lost calls by reason, a key of TEXTS."""

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
        shared = self._loaded.hook == "raw_tracepoint"
        for name in dict.fromkeys(probe.name for probe in self._loaded.probes):
            for lost in self._missed.read(name):
                if not shared or lost.reason not in found:
                    found[lost.reason] = found.get(lost.reason, 0) + lost.count
        return {reason: count for reason, count in found.items() if count}


def tell(counts: dict[str, int]) -> str:
    """Return *counts* as text."""
    return ", ".join(f"{count} ({TEXTS[each]})" for each, count in counts.items())
