"""The figures about waits for permission listeners in one scrape."""

from __future__ import annotations

from collections import defaultdict

from fanotify_exporter.landing.family_index import FamilyIndex
from fanotify_exporter.landing.summary import PermissionFigures, WaitFigures


# Labels of the two gauges, and their values.
Key = tuple[str | None, str]


def permission_figures(index: FamilyIndex) -> PermissionFigures:
    """Return the figures; with container labels, sums over the containers."""
    waiting: dict[Key, float] = defaultdict(float)
    for sample in index.samples("fanotify_permission_waiting_tasks"):
        key = sample.labels.get("comm"), sample.labels["class"]
        waiting[key] += sample.value
    oldest: dict[Key, float] = defaultdict(float)
    for sample in index.samples("fanotify_permission_oldest_wait_seconds"):
        key = sample.labels.get("comm"), sample.labels["class"]
        oldest[key] = max(oldest[key], sample.value)
    unchecked: dict[str | None, float] = defaultdict(float)
    for sample in index.samples("fanotify_unchecked_accesses_total"):
        if sample.value and sample.labels["reason"] == "listener_closed":
            unchecked[sample.labels.get("comm")] += sample.value
    listener_waits = index.samples("fanotify_permission_listener_waits")
    deadlocked = index.samples("fanotify_permission_deadlocked_listeners")
    return PermissionFigures(
        waits=sorted(
            (WaitFigures(*key, number, oldest[key]) for key, number in waiting.items()),
            key=lambda waits: waits.oldest,
            reverse=True,
        ),
        listener_waits=[
            (sample.labels["comm"], sample.labels["on"])
            for sample in listener_waits
            if sample.value and "comm" in sample.labels
        ],
        deadlocked=sum(sample.value for sample in deadlocked),
        unchecked=unchecked,
    )
