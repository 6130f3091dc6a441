"""What of a scrape a person sees first, and how fast counts are said to grow."""

from __future__ import annotations

import time
from collections.abc import Iterable

import pytest
from prometheus_client.core import Metric

from fanotify_exporter.bpf.samples import Call, Snapshot
from fanotify_exporter.collectors.exporter_health import ExporterHealthCollector
from fanotify_exporter.collectors.labels import Labelling
from fanotify_exporter.collectors.mark_calls import MarkCallsCollector
from fanotify_exporter.landing.summary import (
    ROWS,
    GroupOwner,
    Probe,
    Rates,
    Summary,
    SummaryReader,
    User,
)
from tools.harness.golden import BOOTED, LOADED, SNAPSHOT, registry


def overview(collect: Iterable[Metric]) -> Summary:
    return SummaryReader(lambda: collect).take()


def marks_of(*calls: Call, labelling: Labelling | None = None) -> Summary:
    """Return the overview of an exporter that counted these calls and no others."""
    snapshot = Snapshot(BOOTED, {"fanotify_mark": calls}, (), ())
    collector = MarkCallsCollector(lambda: snapshot, labelling or Labelling())
    return overview(collector.collect())


@pytest.fixture(scope="module")
def golden() -> Summary:
    """Give the overview of what the golden exposition says."""
    return overview(registry().collect())


def test_nothing() -> None:
    """A registry without families of ours has an overview, an empty one."""
    empty = overview([])
    assert ((), 0) == (tuple(empty.callers.rows), empty.callers.more)
    assert [] == [*empty.holders.rows, *empty.users.rows, *empty.probes]
    assert [] == [*empty.collectors, *empty.limits, *empty.maps, *empty.lost]


def test_callers_are_the_metrics_sums(golden: Summary) -> None:
    """A caller's calls and errors are those of all its series."""
    (clamonacc,) = (each for each in golden.callers.rows if each.comm == "clamonacc")
    assert ("fanotify_mark", 5041 + 5041 + 3) == (clamonacc.call, clamonacc.calls)
    assert [("EINVAL", 5041), ("ENOSPC", 3)] == [*clamonacc.errors.items()]


def test_the_fastest_come_first() -> None:
    """At most ROWS callers are named, by their rate, and the rest is counted."""
    calls = [Call(f"c{n}", 1, 1, 0, n, time.time() - 60) for n in range(1, 31)]
    top = marks_of(*calls).callers
    assert [f"c{n}" for n in range(30, 20, -1)] == [each.comm for each in top.rows]
    assert (ROWS, 30 - ROWS) == (len(top.rows), top.more)


def test_who_calls_now_comes_before_who_called_most() -> None:
    """Between two looks only what was counted between them makes a rate."""
    counts = {"once": 1000, "now": 10}

    def collect() -> Iterable[Metric]:
        calls = [Call(comm, 1, 1, 0, n, BOOTED) for comm, n in counts.items()]
        snapshot = Snapshot(BOOTED, {"fanotify_mark": calls}, (), ())
        return MarkCallsCollector(lambda: snapshot).collect()

    seconds = iter([100.0, 105.0])
    overviews = SummaryReader(collect, lambda: next(seconds))
    overviews.take()
    counts["now"] = 20
    second = overviews.take()
    assert [("now", 2.0), ("once", 0.0)] == [
        (each.comm, each.per_second) for each in second.callers.rows
    ]
    assert 5.0 == second.seconds


def test_comm_that_is_dropped() -> None:
    """With --label.drop=comm there is one row, and it is of no comm."""
    labelling = Labelling(frozenset({"comm", "flags", "mask"}))
    calls = Call("a", 1, 1, 0, 3, BOOTED), Call("b", 2, 1, 22, 4, BOOTED)
    (row,) = marks_of(*calls, labelling=labelling).callers.rows
    assert (None, 7, {"EINVAL": 4}) == (row.comm, row.calls, row.errors)


def test_holders_that_block_come_first(golden: Summary) -> None:
    """Who has blocking marks is named before who only has many groups."""
    assert [
        GroupOwner("edr", 1, 90_000, 90_000),
        GroupOwner("fapolicyd", 1, 11, 9),
        GroupOwner("fatrace", 2, 7, 0),
        GroupOwner("idle", 1, 0, 0),
    ] == golden.holders.rows


def test_users_near_a_limit_come_first(golden: Summary) -> None:
    """A user has the groups and marks that count against the limits, and shares."""
    groups, marks = golden.limits.values()
    assert (128, 205_039) == (groups, marks)
    assert User("0", 3, 7, 3 / 128, 7 / 205_039) == golden.users.rows[0]


def test_limit_of_zero() -> None:
    """A user who has something where nothing is allowed is beyond the limit."""
    families = [
        *_gauges("fanotify_user_groups", ("uid",), {("7",): 1}),
        *_gauges("fanotify_user_marks", ("uid",), {("7",): 0}),
        *_gauges("fanotify_limit_user_groups", (), {(): 0}),
        *_gauges("fanotify_limit_user_marks", (), {(): 0}),
    ]
    assert User("7", 1, 0, float("inf"), 0) == overview(families).users.rows[0]


def _gauges(
    name: str, labels: tuple[str, ...], values: dict[tuple[str, ...], float]
) -> Iterable[Metric]:
    family = Metric(name, "", "gauge")
    for each, value in values.items():
        family.add_sample(name, dict(zip(labels, each, strict=True)), value)
    yield family


def test_lost_calls_by_why(golden: Summary) -> None:
    """Each reason has its calls; none stands for 0 calls."""
    assert {
        ("fanotify_mark", "map_full"): 403,
        ("fanotify_init", "map_full"): 7,
        ("fanotify_mark", "recursion"): 2,
        ("inotify_init", "no_entry"): 1,
    } == golden.lost


def test_full_maps_show_without_comm() -> None:
    """--label.drop=comm hides who called, and not that the map was full."""
    labelling = Labelling(frozenset({"comm"}))
    lost = overview(
        [
            *MarkCallsCollector(lambda: SNAPSHOT, labelling).collect(),
            *ExporterHealthCollector(LOADED, lambda: SNAPSHOT).collect(),
        ]
    ).lost
    assert 403 == lost["fanotify_mark", "map_full"]


def test_the_exporter_itself(golden: Summary) -> None:
    """Probes, maps and collectors are what the metrics say of them."""
    assert {"calls_root": (4096, 8192), "calls_user": (8192, 8192)} == golden.maps
    assert [True, False] == [probe.attached for probe in golden.probes]
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


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


KEY = "c", "fanotify_mark"


def looks(*when: tuple[float, float]) -> list[tuple[float, float]]:
    """Look at (time, count) pairs; return the rate and over how long at each."""
    clock = Clock()
    rates = Rates(clock)
    found = []
    for at, count in when:
        clock.now = 1000.0 + at
        per_second, seconds = rates.of({KEY: count}, age=50.0)
        found.append((per_second[KEY], seconds))
    return found


def test_first_look_is_an_average() -> None:
    """The first rate is over all the time since the first call."""
    assert [(2.0, 50.0)] == looks((0, 100))


def test_later_looks_are_since_an_earlier_one() -> None:
    """Later rates are since the look before."""
    assert [(6.0, 5.0), (0.0, 5.0)] == looks((0, 100), (5, 130), (10, 130))[1:]


def test_many_viewers_do_not_make_rates_jump() -> None:
    """Looks a second apart are compared with one several seconds ago."""
    found = looks(*((float(at), 100 + 3 * at) for at in range(30)))
    assert {3.0} == {rate for rate, _ in found[4:]}
    assert all(4.0 <= seconds < 8.0 for _, seconds in found[8:])


def test_a_look_after_a_long_time() -> None:
    """After an hour the rate is over that hour, and at the next look it is of now."""
    found = looks((0, 100), (3600, 3700), (3605, 3800))
    assert [(1.0, 3600.0), (20.0, 5.0)] == found[1:]


def test_a_caller_that_is_new() -> None:
    """Who was not there at the look before has made all its calls since."""
    clock = Clock()
    rates = Rates(clock)
    rates.of({}, age=50.0)
    clock.now += 10
    assert ({KEY: 2.0}, 10.0) == rates.of({KEY: 20}, age=60.0)


def test_no_time_has_passed() -> None:
    """A first call that was made just now, or a clock put back, divides by no 0."""
    clock = Clock()
    assert ({KEY: 5.0}, 1.0) == Rates(clock).of({KEY: 5}, age=-3600.0)
