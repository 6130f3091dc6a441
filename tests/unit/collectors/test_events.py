"""Families of events: what became of them, and what a full queue let through."""

from __future__ import annotations

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)

from fanotify_exporter.bpf.event_samples import EventSnapshot, ListenerEvents
from fanotify_exporter.collectors.events import EventsCollector
from fanotify_exporter.collectors.labels import PLAIN, Labelling
from fanotify_exporter.collectors.permission import PermissionCollector
from fanotify_exporter.metrics.registry import Registry
from tools.harness.exposition import encode_openmetrics, encode_text
from tools.harness.golden import EVENTS
from tools.harness.permission_waits import SNAPSHOT


def samples(
    labelling: Labelling = PLAIN, snapshot: EventSnapshot = EVENTS
) -> dict[tuple[str, ...], float]:
    """Return the values by the name of the sample and the values of the labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in EventsCollector(lambda: snapshot, labelling).collect()
        for sample in family.samples
    }


def test_outcomes() -> None:
    """Each listener has each outcome, also those that never happened."""
    name = "fanotify_events_total"
    found = {key[1:]: value for key, value in samples().items() if key[0] == name}
    assert {
        ("auditor", "queued"): 9000,
        ("auditor", "merged"): 400,
        ("auditor", "dropped"): 12,
        ("hsmd", "queued"): 9,
        ("hsmd", "merged"): 0,
        ("hsmd", "dropped"): 3,
        ("[other: unprivileged]", "queued"): 70,
        ("[other: unprivileged]", "merged"): 5,
        ("[other: unprivileged]", "dropped"): 2,
    } == found


def test_unchecked_accesses() -> None:
    """Only listeners that were not asked have the reason queue_full."""
    name = "fanotify_unchecked_accesses_total"
    found = {key[1:]: value for key, value in samples().items() if key[0] == name}
    assert {("hsmd", "queue_full"): 3} == found


def test_labels() -> None:
    """Labels of containers are added, and dropped labels are summed over."""
    listeners = tuple(
        ListenerEvents("a", {"queued": 1, "merged": 2, "dropped": 3}, 1, cgroup=cgroup)
        for cgroup in (5, 6)
    )
    snapshot = EventSnapshot(1.0, listeners, (), ())
    labelling = Labelling(frozenset({"comm"}), lambda cgroup: (f"/{cgroup}", "x"))
    found = samples(labelling, snapshot)
    assert 3 == found["fanotify_events_total", "dropped", "/5", "x"]
    assert 1 == found["fanotify_unchecked_accesses_total", "queue_full", "/6", "x"]
    summed = samples(Labelling(frozenset({"comm"})), snapshot)
    assert 4 == summed["fanotify_events_total", "merged"]


def test_without_programs() -> None:
    """Without programs the collector fails, and the log says where to look."""
    collector = EventsCollector(None)
    with pytest.raises(RuntimeError, match="no program counts events on this host"):
        list(collector.collect())
    described = [each.name for each in collector.describe()]
    assert ["fanotify_events", "fanotify_unchecked_accesses"] == described


def test_unchecked_accesses_of_two_collectors() -> None:
    """The collectors permission and events have one family together."""
    registry = Registry(
        {
            "permission": PermissionCollector(lambda: SNAPSHOT, lambda: None),
            "events": EventsCollector(lambda: EVENTS),
        }
    )
    text = encode_text(registry.scrape().collect()).decode()
    name = "fanotify_unchecked_accesses_total"
    assert 1 == text.count(f"# TYPE {name} counter\n")
    assert f'{name}{{comm="hsmd",reason="listener_closed"}} 2.0\n' in text
    assert f'{name}{{comm="hsmd",reason="queue_full"}} 3.0\n' in text


def test_created_samples() -> None:
    """With created samples each series has the time at which the programs began."""
    collector = EventsCollector(lambda: EVENTS, created=True)
    text = encode_openmetrics(collector.collect()).decode()
    created = {
        sample.value
        for family in parse_openmetrics(text)  # type: ignore[no-untyped-call]
        for sample in family.samples
        if sample.name.endswith("_created")
    }
    assert {EVENTS.counting_since} == created
