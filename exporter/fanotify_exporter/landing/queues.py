"""Queues of fanotify groups on the landing page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fanotify_exporter.landing.family_index import FamilyIndex
from fanotify_exporter.landing.finding import MAX_NAMES, Finding
from fanotify_exporter.landing.formatting import format_count
from fanotify_exporter.landing.summary import QueueOwner, Summary


# Share of a queue above which a finding warns. The alert of prometheus/ uses the same.
FILLING: Final = 0.5

# Probe of the programs that count events, in fanotify_exporter_lost_calls_total.
EVENT_PROBE: Final = "event"


def queue_owners(index: FamilyIndex) -> list[QueueOwner]:
    """Return the programs with groups, the fullest queue first; none without queues."""
    overflows = index.sums("fanotify_queue_overflow_pending", "comm")
    ratios: dict[str, float] = {}
    for sample in index.samples("fanotify_queue_fill_ratio"):
        comm = sample.labels["comm"]
        ratios[comm] = max(sample.value, ratios.get(comm, 0.0))
    owners = [
        QueueOwner(comm, ratio, overflows.get(comm, 0.0))
        for comm, ratio in ratios.items()
    ]
    return sorted(owners, key=lambda each: each.fill_ratio, reverse=True)


def find_queues(summary: Summary) -> Iterator[Finding]:
    """Yield findings about queues that lost events, and about queues that fill."""
    lost = [each for each in summary.queues if each.overflows]
    if lost:
        names = [(each.comm, format_count(each.overflows, "queue")) for each in lost]
        yield Finding(
            "warning",
            "fanotify events are lost",
            "A queue was full, and the program has not read past the loss. It does not "
            "know what happened to the files.",
            tuple(names[:MAX_NAMES]),
            others=len(names) > MAX_NAMES,
            runbook="FanotifyEventsDropped",
        )
    filling = [
        (each.comm, f"{each.fill_ratio:.0%} full")
        for each in summary.queues
        if each.fill_ratio > FILLING and not each.overflows
    ]
    if filling:
        yield Finding(
            "warning",
            "Queues of fanotify events fill",
            "When a queue is full, the kernel drops events, and a permission listener "
            "does not see the accesses.",
            tuple(filling[:MAX_NAMES]),
            others=len(filling) > MAX_NAMES,
            runbook="FanotifyQueueFilling",
        )
