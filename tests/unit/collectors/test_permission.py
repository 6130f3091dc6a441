"""Families of permission waits: what ended, and what waits now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)

from fanotify_exporter.bpf.permission_samples import (
    ENDS,
    WAIT_BUCKETS,
    PermissionSnapshot,
)
from fanotify_exporter.collectors.labels import PLAIN, Labelling
from fanotify_exporter.collectors.permission import PermissionCollector
from fanotify_exporter.fsnotify.waits import Waiter, WaitScan
from fanotify_exporter.metrics.registry import Registry
from tools.harness.exposition import encode_openmetrics, encode_text
from tools.harness.permission_waits import SCAN, SNAPSHOT, group, totals


NOTHING = PermissionSnapshot(5.0, (), (), ())

Samples = dict[tuple[str, ...], float]


def collector(
    snapshot: PermissionSnapshot = SNAPSHOT,
    scan: WaitScan | None = SCAN,
    labelling: Labelling = PLAIN,
    *,
    created: bool = False,
) -> PermissionCollector:
    return PermissionCollector(
        lambda: snapshot, lambda: scan, labelling, created=created
    )


def samples(collector: PermissionCollector) -> dict[str, Samples]:
    """Return the values of each sample name, by the values of the labels."""
    found: dict[str, Samples] = {}
    for family in collector.collect():
        found[family.name] = {}
        for sample in family.samples:
            series = found.setdefault(sample.name, {})
            assert tuple(sample.labels.values()) not in series
            series[tuple(sample.labels.values())] = sample.value
    return found


@pytest.fixture
def found() -> dict[str, Samples]:
    """Collect the fixed waits."""
    return samples(collector())


def test_ended_waits(found: dict[str, Samples]) -> None:
    """The numbers of each end, and their sum, are those that the programs counted."""
    waits = found["fanotify_permission_waits_total"]
    assert [4711, 2, 0, 1] == [waits["fapolicyd", "content", end] for end in ENDS]
    expected = sum(sum(each.ends.values()) for each in SNAPSHOT.totals)
    assert expected == sum(waits.values())
    assert 1 == waits["[other: not known]", "content", "listener_closed"]
    assert 3 == waits["[other: map full]", "content", "answered"]


def test_lengths_of_waits(found: dict[str, Samples]) -> None:
    """The histogram is cumulative, over all waits whose begin was seen."""
    buckets = found["fanotify_permission_wait_seconds_bucket"]
    les = [key[-1] for key in buckets if key[:2] == ("hsmd", "pre_content")]
    assert [*map(float, les)] == [*WAIT_BUCKETS, float("inf")]
    counts = [buckets["hsmd", "pre_content", le] for le in les]
    assert [0, 0, 0, 0, 0, 0, 1, 5, 8, 9] == counts
    key = "hsmd", "pre_content"
    assert 9 == found["fanotify_permission_wait_seconds_count"][key]
    assert 151.5 == found["fanotify_permission_wait_seconds_sum"][key]


def test_answers(found: dict[str, Samples]) -> None:
    """Answers have the errno of a denied access; those that anyone may give are 0."""
    responses = found["fanotify_permission_responses_total"]
    assert {
        ("allow", ""): 5,
        ("deny", "EPERM"): 0,
        ("deny", "EIO"): 1,
        ("deny", "other"): 1,
    } == {key[1:]: count for key, count in responses.items() if key[0] == "hsmd"}


def test_unchecked_accesses(found: dict[str, Samples]) -> None:
    """Accesses that went ahead are those whose listener was closed."""
    assert {
        ("fapolicyd", "listener_closed"): 0,
        ("hsmd", "listener_closed"): 2,
        ("[other: not known]", "listener_closed"): 1,
        ("[other: map full]", "listener_closed"): 0,
        ("clamonacc", "listener_closed"): 0,
        ("avd", "listener_closed"): 0,
    } == found["fanotify_unchecked_accesses_total"]


def test_waiting_tasks(found: dict[str, Samples]) -> None:
    """Groups of one name are summed, the oldest wait counts, and idle groups have 0."""
    assert {
        ("fapolicyd", "content"): 37,
        ("clamonacc", "content"): 1,
        ("avd", "content"): 1,
        ("hsmd", "pre_content"): 0,
    } == found["fanotify_permission_waiting_tasks"]
    assert {
        ("fapolicyd", "content"): 240,
        ("clamonacc", "content"): 100,
        ("avd", "content"): 99.5,
        ("hsmd", "pre_content"): 0,
    } == found["fanotify_permission_oldest_wait_seconds"]


def test_two_stalled_groups() -> None:
    """The tasks of two groups of one name and class add up; the oldest is the age."""
    groups = (
        group(1, "avd", waiting=2, oldest_since=90.0),
        group(2, "avd", waiting=3, oldest_since=70.0),
        group(3, "avd", "pre_content", waiting=1, oldest_since=99.0),
    )
    found = samples(collector(scan=WaitScan(groups, (), 100.0)))
    assert {("avd", "content"): 5, ("avd", "pre_content"): 1} == found[
        "fanotify_permission_waiting_tasks"
    ]
    assert {("avd", "content"): 30, ("avd", "pre_content"): 1} == found[
        "fanotify_permission_oldest_wait_seconds"
    ]


def test_wait_that_began_during_the_pass() -> None:
    """The age of a wait is never negative."""
    groups = (group(1, "avd", waiting=1, oldest_since=100.5),)
    found = samples(collector(scan=WaitScan(groups, (), 100.0)))
    assert {("avd", "content"): 0} == found["fanotify_permission_oldest_wait_seconds"]


def test_deadlock(found: dict[str, Samples]) -> None:
    """Each listener that waits for a listener is counted, and each in a cycle."""
    assert {("avd", "clamonacc"): 1, ("clamonacc", "avd"): 1} == found[
        "fanotify_permission_listener_waits"
    ]
    assert {(): 2} == found["fanotify_permission_deadlocked_listeners"]


def test_listeners_are_counted_and_not_their_tasks() -> None:
    """Two listeners of one name are two; two threads of one listener are one."""
    waiters = tuple(
        Waiter(10 * pid + thread, pid, "avd", on, 90.0)
        for pid, on in ((1, 3), (2, 3))
        for thread in range(2)
    )
    groups = group(1, "avd"), group(2, "avd"), group(3, "hsmd")
    found = samples(collector(scan=WaitScan(groups, waiters, 100.0)))
    assert {("avd", "hsmd"): 2} == found["fanotify_permission_listener_waits"]
    assert {(): 0} == found["fanotify_permission_deadlocked_listeners"]


def test_a_listener_starts_at_0() -> None:
    """The counters of a listener for which no task has waited are there, at 0."""
    found = samples(collector(NOTHING, WaitScan((group(1, "new"),), (), 100.0)))
    assert {("new", "content", end): 0 for end in ENDS} == found[
        "fanotify_permission_waits_total"
    ]
    assert {("new", "allow", ""): 0, ("new", "deny", "EPERM"): 0} == found[
        "fanotify_permission_responses_total"
    ]
    assert {("new", "listener_closed"): 0} == found["fanotify_unchecked_accesses_total"]
    assert {("new", "content"): 0} == found["fanotify_permission_wait_seconds_count"]
    buckets = found["fanotify_permission_wait_seconds_bucket"]
    assert [0] * 10 == list(buckets.values())


def test_no_listener() -> None:
    """On a host without listeners two gauges are there, and no series of a listener."""
    found = samples(collector(NOTHING, WaitScan((), (), 100.0)))
    filled = {name: series for name, series in found.items() if series}
    assert {
        "fanotify_permission_deadlocked_listeners": {(): 0},
        "fanotify_exporter_waits_last_pass_timestamp_seconds": {(): 0},
    } == filled


def test_before_the_first_pass() -> None:
    """Before the first pass there are counters and no gauges."""
    families = {family.name: family.type for family in collector(scan=None).collect()}
    assert {
        "fanotify_permission_wait_seconds": "histogram",
        "fanotify_permission_waits": "counter",
        "fanotify_permission_responses": "counter",
        "fanotify_unchecked_accesses": "counter",
    } == families


@pytest.mark.parametrize(
    ("groups", "labels"),
    [
        ((group(1, "avd"), group(2, "avd")), ("avd", "content")),
        ((group(1, "avd"), group(2, "hsmd", "pre_content")), ("", "")),
        ((group(1, "avd"), group(2, "hsmd")), ("", "content")),
    ],
)
def test_guessed_groups(groups: tuple[object, ...], labels: tuple[str, str]) -> None:
    """A task whose group is not known has the labels that all groups have."""
    waiters = Waiter(70, 70, "cat", 0, 60.0), Waiter(71, 71, "cat", 0, 90.0)
    scan = WaitScan(groups, waiters, 100.0, is_exact=False)  # type: ignore[arg-type]
    found = samples(collector(scan=scan))
    assert 2 == found["fanotify_permission_waiting_tasks"][labels]
    assert 40 == found["fanotify_permission_oldest_wait_seconds"][labels]
    assert {} == found["fanotify_permission_listener_waits"]
    assert {} == found["fanotify_permission_deadlocked_listeners"]


def test_some_listener() -> None:
    """Tasks of the group that stands for several groups are counted once."""
    waiters = Waiter(70, 70, "cat", 0, 60.0), Waiter(71, 71, "cat", 0, 90.0)
    groups = (group(0, "", "content", waiting=2, oldest_since=60.0),)
    found = samples(collector(scan=WaitScan(groups, waiters, 100.0, is_exact=False)))
    assert {("", "content"): 2} == found["fanotify_permission_waiting_tasks"]
    assert {("", "content"): 40} == found["fanotify_permission_oldest_wait_seconds"]


def test_dropped_comm() -> None:
    """--label.drop sums the counters over comm, and leaves the gauges."""
    found = samples(collector(labelling=Labelling(frozenset({"comm", "flags"}))))
    waits = found["fanotify_permission_waits_total"]
    assert {("content",), ("pre_content",)} == {key[:-1] for key in waits}
    assert 4711 + 3 == waits["content", "answered"]
    assert 4708 == found["fanotify_permission_responses_total"]["allow", ""]
    assert {("listener_closed",): 3} == found["fanotify_unchecked_accesses_total"]
    assert 9 == found["fanotify_permission_wait_seconds_count"]["pre_content",]
    assert 37 == found["fanotify_permission_waiting_tasks"]["fapolicyd", "content"]


def test_container_labels() -> None:
    """With --label.container all families by comm have the listener's cgroup."""
    names: Callable[[int], tuple[str, str]] = {
        7: ("/kubepods/y", "y"),
        8: ("/system.slice/x.service", ""),
    }.__getitem__
    groups = (
        group(1, "avd", waiting=1, oldest_since=90.0, cgroup=7),
        group(2, "avd", cgroup=8),
    )
    waiters = (Waiter(11, 1, "avd", 2, 90.0),)
    ended = replace(NOTHING, totals=(totals("avd", ends={"killed": 2}, cgroup=7),))
    found = samples(
        collector(ended, WaitScan(groups, waiters, 100.0), Labelling(container=names))
    )
    waits = found["fanotify_permission_waits_total"]
    assert 2 == waits["avd", "content", "killed", "/kubepods/y", "y"]
    assert 0 == waits["avd", "content", "killed", "/system.slice/x.service", ""]
    assert {
        ("avd", "content", "/kubepods/y", "y"): 1,
        ("avd", "content", "/system.slice/x.service", ""): 0,
    } == found["fanotify_permission_waiting_tasks"]
    assert {("avd", "avd", "/kubepods/y", "y"): 1} == found[
        "fanotify_permission_listener_waits"
    ]


def test_created_samples() -> None:
    """With created samples every counter says since when the programs count."""
    text = encode_openmetrics(collector(created=True).collect()).decode()
    families = parse_openmetrics(text)  # type: ignore[no-untyped-call]
    created = {
        sample.name: sample.value
        for family in families
        for sample in family.samples
        if sample.name.endswith("_created")
    }
    assert {
        "fanotify_permission_wait_seconds_created": 1_700_000_060.0,
        "fanotify_permission_waits_created": 1_700_000_060.0,
        "fanotify_permission_responses_created": 1_700_000_060.0,
        "fanotify_unchecked_accesses_created": 1_700_000_060.0,
    } == created
    assert b"_created" not in encode_openmetrics(collector().collect())
    assert b"_created" not in encode_text(collector(created=True).collect())


def test_describes_what_it_collects() -> None:
    """The collector describes the families that it collects, and reads nothing."""

    def fail() -> NoReturn:
        pytest.fail("read")

    described = [
        (each.name, each.type, each.documentation, [*each.samples])
        for each in PermissionCollector(fail, fail).describe()
    ]
    assert described == [
        (each.name, each.type, each.documentation, []) for each in collector().collect()
    ]


def test_time_of_the_last_pass() -> None:
    """The time of the pass shows whether the gauges are fresh."""
    found = samples(collector(scan=replace(SCAN, unix_time=1_750_000_003.5)))
    name = "fanotify_exporter_waits_last_pass_timestamp_seconds"
    assert {(): 1_750_000_003.5} == found[name]
    assert name not in samples(collector(scan=None))


def test_counters_outlive_failing_passes() -> None:
    """While passes fail the counters stay, and the collector counts as failed."""

    def fail() -> NoReturn:
        raise RuntimeError("no pass")

    registry = Registry({"permission": PermissionCollector(lambda: SNAPSHOT, fail)})
    found = {
        family.name: {
            tuple(each.labels.values()): each.value for each in family.samples
        }
        for family in registry.scrape().collect()
    }
    waits = found["fanotify_permission_waits"]
    assert 4711 == waits["fapolicyd", "content", "answered"]
    assert "fanotify_permission_responses" in found
    assert "fanotify_unchecked_accesses" in found
    assert "fanotify_permission_waiting_tasks" not in found
    assert 0 == found["fanotify_exporter_collector_success"]["permission",]


def test_selected_by_sample_name() -> None:
    """name[] takes the names of the histogram's samples."""
    registry = Registry({"permission": collector()})
    for suffix in ("_bucket", "_count", "_sum", ""):
        selection = registry.select([f"fanotify_permission_wait_seconds{suffix}"])
        (family,) = registry.scrape().families(selection)
        assert "fanotify_permission_wait_seconds" == family.name
