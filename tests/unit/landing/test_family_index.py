"""The tables of the landing page from the samples of a scrape."""

from __future__ import annotations

import time
from collections.abc import Iterable

import pytest
from prometheus_client.core import Metric

from fanotify_exporter.bpf.samples import Call, Snapshot
from fanotify_exporter.collectors.exporter_health import ExporterHealthCollector
from fanotify_exporter.collectors.labels import Labelling
from fanotify_exporter.collectors.mark_calls import MarkCallsCollector
from fanotify_exporter.landing.family_index import MAX_ROWS
from fanotify_exporter.landing.summary import GroupOwner, Probe, Summary, User
from fanotify_exporter.landing.summary_reader import SummaryReader
from fanotify_exporter.metrics.families import Family
from tools.harness.golden import BOOTED, SNAPSHOT, call_programs, registry


def summarize(families: Iterable[Family]) -> Summary:
    return SummaryReader().read(families)


def summarize_calls(*calls: Call, labelling: Labelling | None = None) -> Summary:
    """Return the summary of an exporter that counted only *calls*."""
    snapshot = Snapshot(BOOTED, {"fanotify_mark": calls}, (), ())
    collector = MarkCallsCollector(lambda: snapshot, labelling or Labelling())
    return summarize(collector.collect())


@pytest.fixture(scope="module")
def golden() -> Summary:
    """Give the summary of the golden exposition."""
    return summarize(registry().scrape().collect())


def test_no_families() -> None:
    """The summary of an empty registry is empty."""
    empty = summarize([])
    assert ((), 0) == (tuple(empty.callers.rows), empty.callers.omitted)
    assert [] == [*empty.owners.rows, *empty.users.rows, *empty.probes]
    assert [] == [*empty.collectors, *empty.limits, *empty.maps, *empty.lost]


def test_callers_are_the_metrics_sums(golden: Summary) -> None:
    """The calls and errors of a caller are the sums over all its series."""
    (clamonacc,) = (each for each in golden.callers.rows if each.comm == "clamonacc")
    assert ("fanotify_mark", 5041 + 5041 + 3) == (clamonacc.call, clamonacc.calls)
    assert [("EINVAL", 5041), ("ENOSPC", 3)] == [*clamonacc.errors.items()]


def test_calls_in_progress(golden: Summary) -> None:
    """The program with most threads comes first."""
    assert [("fapolicyd", 2.0), ("indexer", 1.0)] == [*golden.calls_in_progress.items()]


def test_highest_rates_come_first() -> None:
    """The MAX_ROWS callers with the highest rates are listed; the rest is counted."""
    calls = [Call(f"c{n}", 1, 1, 0, n, time.time() - 60) for n in range(1, 31)]
    top = summarize_calls(*calls).callers
    assert [f"c{n}" for n in range(30, 20, -1)] == [each.comm for each in top.rows]
    assert (MAX_ROWS, 30 - MAX_ROWS) == (len(top.rows), top.omitted)


def test_dropped_comm() -> None:
    """With --label.drop=comm there is one row, whose comm is None."""
    labelling = Labelling(frozenset({"comm", "flags", "mask"}))
    calls = Call("a", 1, 1, 0, 3, BOOTED), Call("b", 2, 1, 22, 4, BOOTED)
    (row,) = summarize_calls(*calls, labelling=labelling).callers.rows
    assert (None, 7, {"EINVAL": 4}) == (row.comm, row.calls, row.errors)


def test_blocking_owners_come_first(golden: Summary) -> None:
    """Owners of blocking marks come before owners of many groups."""
    assert [
        GroupOwner("edr", 1, 90_000, 90_000),
        GroupOwner("fapolicyd", 1, 11, 9),
        GroupOwner("fatrace", 2, 7, 0),
        GroupOwner("idle", 1, 0, 0),
    ] == golden.owners.rows


def test_users_near_a_limit_come_first(golden: Summary) -> None:
    """A user's groups and marks have their shares of the limits."""
    groups, marks = golden.limits.values()
    assert (128, 205_039) == (groups, marks)
    assert User("0", 3, 7, 3 / 128, 7 / 205_039) == golden.users.rows[0]


def test_limit_of_zero() -> None:
    """The share of a limit of 0 is infinite."""
    families = [
        *_gauges("fanotify_user_groups", ("uid",), {("7",): 1}),
        *_gauges("fanotify_user_marks", ("uid",), {("7",): 0}),
        *_gauges("fanotify_user_groups_limit", (), {(): 0}),
        *_gauges("fanotify_user_marks_limit", (), {(): 0}),
    ]
    assert User("7", 1, 0, float("inf"), 0) == summarize(families).users.rows[0]


def test_sum_of_many_users_is_no_user() -> None:
    """The sum over the users without a series is not compared with a user's limit."""
    others = ("[other: too many]",)
    families = [
        *_gauges("fanotify_user_groups", ("uid",), {("7",): 2, others: 900}),
        *_gauges("fanotify_user_marks", ("uid",), {others: 5}),
        *_gauges("fanotify_user_groups_limit", (), {(): 128}),
    ]
    assert [User("7", 2, 0, 2 / 128, 0)] == summarize(families).users.rows


def _gauges(
    name: str, labels: tuple[str, ...], values: dict[tuple[str, ...], float]
) -> Iterable[Metric]:
    family = Metric(name, "", "gauge")
    for each, value in values.items():
        family.add_sample(name, dict(zip(labels, each, strict=True)), value)
    yield family


def test_lost_calls(golden: Summary) -> None:
    """Lost calls are listed by system call and reason, without zeros."""
    assert {
        ("fanotify_mark", "map_full"): 403,
        ("fanotify_init", "map_full"): 7,
        ("fanotify_mark", "recursion"): 2,
        ("inotify_init", "no_entry"): 1,
        ("permission_wait", "no_begin"): 1,
        ("permission_group", "map_full"): 3,
        ("event", "nmissed"): 4,
    } == golden.lost


def test_map_full_without_comm() -> None:
    """With --label.drop=comm the calls lost to a full map are still listed."""
    labelling = Labelling(frozenset({"comm"}))
    lost = summarize(
        [
            *MarkCallsCollector(lambda: SNAPSHOT, labelling).collect(),
            *ExporterHealthCollector("", [call_programs()]).collect(),
        ]
    ).lost
    assert 403 == lost["fanotify_mark", "map_full"]


def test_exporter_state(golden: Summary) -> None:
    """Probes, maps, collectors and build equal the metrics."""
    assert {
        "calls_privileged": (4096, 8192),
        "calls_user": (1024, 1024),
        "inotify_add_watch": (4, 256),
        "permission_groups": (3, 256),
        "event_groups": (2, 256),
        "permission_waits": (37, 32768),
    } == golden.maps
    assert [1, 0, 1, 1, 1, 1] == [probe.attached for probe in golden.probes]
    assert (
        Probe(
            "fanotify_mark",
            "tracepoint:syscalls:sys_enter_fanotify_mark",
            attached=True,
        )
        == golden.probes[0]
    )
    assert {"groups", "mark_calls"} < golden.collectors.keys()
    assert {True} == set(golden.collectors.values())
    assert "0.26.0" == golden.build["bcc"]
