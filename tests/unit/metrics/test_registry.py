"""The registry: failing collectors, families about collectors, selection by name."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

import pytest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from fanotify_exporter.metrics.families import (
    CounterFamily,
    HistogramFamily,
    IncompleteError,
)
from fanotify_exporter.metrics.registry import Registry, SelectionError
from tools.harness.exposition import sample_value


class Steady:
    """Two families with one series each."""

    def __init__(self, prefix: str) -> None:
        self.names = (f"{prefix}_one", f"{prefix}_two")

    def describe(self) -> Iterable[Metric]:
        return [GaugeMetricFamily(name, "Steady.") for name in self.names]

    def collect(self) -> Iterator[Metric]:
        for name in self.names:
            yield GaugeMetricFamily(name, "Steady.", value=1)


class Broken(Steady):
    """A collector that fails after its first family."""

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(self.names[0], "Broken.", value=1)
        raise OSError("no second family")


def names(registry: Registry) -> list[str]:
    return [
        family.name
        for family in registry.scrape().collect()
        if not family.name.startswith("process_")
    ]


def success(registry: Registry, collector: str) -> float | None:
    return sample_value(
        registry, "fanotify_exporter_collector_success", {"collector": collector}
    )


ABOUT_COLLECTORS = [
    "fanotify_exporter_collector_success",
    "fanotify_exporter_collector_duration_seconds",
    "fanotify_exporter_collector_series",
]


def series(registry: Registry, collector: str) -> float | None:
    return sample_value(
        registry, "fanotify_exporter_collector_series", {"collector": collector}
    )


class Counting(Steady):
    """A collector of counters with creation times."""

    def describe(self) -> Iterable[Metric]:
        return [CounterMetricFamily("counting", "Counted.")]

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily("counting", "Counted.", labels=["who"])
        for who in "abc":
            family.add_metric([who], 5, created=1.5)
        yield family


def test_series_are_those_of_a_scrape() -> None:
    """The series of each collector are counted without _created samples."""
    registry = Registry({"a": Steady("a"), "counting": Counting("b")})
    assert (2, 3) == (series(registry, "a"), series(registry, "counting"))


def test_all_collectors_work() -> None:
    """Each family is there once, in order, and each collector succeeded."""
    registry = Registry({"a": Steady("a"), "b": Steady("b")})
    assert ["a_one", "a_two", "b_one", "b_two", *ABOUT_COLLECTORS] == names(registry)
    assert (1, 1) == (success(registry, "a"), success(registry, "b"))


def test_failing_collector_costs_only_its_families() -> None:
    """A collector that fails half way loses all its families, and no others."""
    registry = Registry(
        {"a": Steady("a"), "broken": Broken("broken"), "b": Steady("b")}
    )
    assert ["a_one", "a_two", "b_one", "b_two", *ABOUT_COLLECTORS] == names(registry)
    assert {
        "a": 1,
        "broken": 0,
        "b": 1,
    } == {name: success(registry, name) for name in ("a", "broken", "b")}


def test_part_of_a_collector_fails() -> None:
    """The families that an IncompleteError keeps stay; the collector failed."""

    class HalfBroken(Steady):
        def collect(self) -> Iterator[Metric]:
            first, _ = super().collect()
            raise IncompleteError("no second family", [first])

    registry = Registry({"half": HalfBroken("a")})
    assert ["a_one", *ABOUT_COLLECTORS] == names(registry)
    assert (0, 1) == (success(registry, "half"), series(registry, "half"))


class Sharing:
    """A collector of a counter that another collector has too, with *series*."""

    def __init__(self, series: dict[str, int] | None, first: float = 1.5) -> None:
        self.series = series
        self.first = first

    def describe(self) -> Iterable[CounterFamily]:
        return [CounterFamily("shared", "Shared.", ("reason",), created=True)]

    def collect(self) -> Iterator[CounterFamily]:
        assert self.series is not None
        for family in self.describe():
            for reason, count in self.series.items():
                family.add((reason,), count, self.first)
            yield family


def shared(registry: Registry, **query: list[str]) -> dict[str, float]:
    """Return the samples of the family "shared", which must be there once."""
    (family,) = (
        each
        for each in registry.scrape().families(registry.select(**query))
        if each.name == "shared"
    )
    return {
        f"{sample.name.removeprefix('shared_')} {sample.labels['reason']}": sample.value
        for sample in family.samples
    }


def test_counter_of_two_collectors() -> None:
    """A counter that two collectors have is there once, with the series of both."""
    registry = Registry(
        {"a": Sharing({"x": 3}), "b": Steady("b"), "c": Sharing({"y": 4}, first=2.5)}
    )
    x, y = {"total x": 3, "created x": 1.5}, {"total y": 4, "created y": 2.5}
    assert x | y == shared(registry)
    assert x | y == shared(registry, names=["shared_total"])
    assert x == shared(registry, collect=["a", "b"])
    assert y == shared(registry, exclude=["a"])
    assert 1 == sum(family.name == "shared" for family in registry.describe())
    assert (1, 1) == (series(registry, "a"), series(registry, "c"))


@pytest.mark.parametrize("broken", ["a", "c"])
def test_one_of_two_collectors_fails(broken: str) -> None:
    """The counter has the series of the collector that works."""
    registry = Registry(
        {name: Sharing(None if name == broken else {"x": 3}) for name in "ac"}
    )
    assert {"total x": 3, "created x": 1.5} == shared(registry)
    assert 0 == success(registry, broken)


def test_failing_collector_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A failure is logged as one error with the collector's name and the exception."""
    list(Registry({"broken": Broken("broken")}).scrape().collect())
    (record,) = caplog.records
    assert logging.ERROR == record.levelno
    assert "broken" == vars(record)["collector"]
    assert record.exc_info is not None
    assert "no second family" == str(record.exc_info[1])


def test_failure_is_logged_once_per_change(caplog: pytest.LogCaptureFixture) -> None:
    """A log line tells the first failure, another kind of failure, and the recovery."""
    failures: list[Exception | None] = [
        OSError("a"),
        OSError("b"),
        ValueError("c"),
        ValueError("d"),
        None,
        None,
        ValueError("e"),
    ]

    class Changing(Steady):
        def collect(self) -> Iterator[Metric]:
            if error := failures.pop(0):
                raise error
            yield from super().collect()

    registry = Registry({"changing": Changing("a"), "b": Steady("b")})
    caplog.clear()
    with caplog.at_level(logging.INFO):
        found = [success(registry, "changing") for _ in range(7)]
    assert [0, 0, 0, 0, 1, 1, 0] == found
    assert [
        ("collector failed", "a"),
        ("collector failed", "c"),
        ("collector works again", ""),
        ("collector failed", "e"),
    ] == [
        (each.message, str(each.exc_info[1]) if each.exc_info else "")
        for each in caplog.records
    ]


def test_every_collector_is_timed() -> None:
    """Each collector has a duration, also after a failure."""
    registry = Registry({"a": Steady("a"), "broken": Broken("broken")})
    for name in ("a", "broken"):
        seconds = sample_value(
            registry,
            "fanotify_exporter_collector_duration_seconds",
            {"collector": name},
        )
        assert seconds is not None
        assert 0 <= seconds < 1


def test_process_metrics_are_there() -> None:
    """The registry has the process_* metrics of the exporter itself."""
    found = {family.name for family in Registry({}).scrape().collect()}
    assert found >= {
        "process_cpu_seconds",
        "process_open_fds",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
    }


def test_building_a_registry_collects_nothing() -> None:
    """Registration reads the names of families only, and no BPF map."""

    class Untouchable(Steady):
        def collect(self) -> Iterator[Metric]:
            pytest.fail("collected")

    Registry({"a": Untouchable("a")})


def selected(registry: Registry, **query: list[str]) -> list[str]:
    """Return the names of the families that a query selects."""
    selection = registry.select(**query)
    scrape = registry.scrape()
    found = [*scrape.families(selection), *scrape.about_collectors(selection)]
    return [family.name for family in found]


def test_selected_names() -> None:
    """name[] selects the named families of all collectors, and no others."""
    registry = Registry({"a": Steady("a"), "b": Steady("b")})
    wanted = ["a_two", "b_one", "fanotify_exporter_collector_success"]
    assert wanted == selected(registry, names=[*wanted, "nobody_has_this"])
    for name in (*ABOUT_COLLECTORS, "process_open_fds"):
        assert [name] == selected(registry, names=[name])
    assert [] == selected(registry, names=["nobody_has_this", "", "a"])


class Observing:
    """A collector of a histogram."""

    def describe(self) -> Iterable[HistogramFamily]:
        return [HistogramFamily("waits", "Observed.", ("who",), (0.5, 1))]

    def collect(self) -> Iterator[HistogramFamily]:
        for family in self.describe():
            family.add(("a",), (1, 0, 2), 9.5, 1.5)
            family.add(("b",), (0, 0, 0), 0, 1.5)
            yield family


SAMPLE_NAMES = {
    "counting": ("", "_total", "_created"),
    "waits": ("", "_bucket", "_count", "_sum", "_created"),
    "a_one": ("",),
}


@pytest.mark.parametrize("family", SAMPLE_NAMES)
def test_names_of_samples(family: str) -> None:
    """name[] takes the name of a family and the names of samples of its type."""
    registry = Registry({"a": Steady("a"), "b": Counting("b"), "c": Observing()})
    suffixes = {suffix for names in SAMPLE_NAMES.values() for suffix in names}
    assert set(SAMPLE_NAMES[family]) == {
        suffix
        for suffix in suffixes
        if registry.select(names=[family + suffix]).families == frozenset({family})
    }


def test_series_of_a_histogram() -> None:
    """Each bucket, the count and the sum are series, and creation times are not."""
    assert 2 * 5 == series(Registry({"c": Observing()}), "c")


def test_selected_collectors() -> None:
    """collect[] selects collectors, exclude[] all others; both have their success."""
    registry = Registry({"a": Steady("a"), "b": Steady("b")})
    wanted = ["b_one", "b_two", *ABOUT_COLLECTORS]
    assert wanted == selected(registry, collect=["b", "b"])
    assert wanted == selected(registry, exclude=["a", "process"])
    selection = registry.select(collect=["b"])
    (success, *_) = registry.scrape().about_collectors(selection)
    assert [{"collector": "b"}] == [sample.labels for sample in success.samples]


def test_selected_names_of_selected_collectors() -> None:
    """name[] and collect[] select the families that both select."""
    registry = Registry({"a": Steady("a"), "b": Steady("b")})
    names = ["a_one", "b_two", ABOUT_COLLECTORS[0]]
    assert names[1:] == selected(registry, names=names, collect=["b"])


def test_only_selected_collectors_run() -> None:
    """A collector runs once in a scrape, and only if one of its families is wanted."""
    ran = []

    class Noting(Steady):
        def collect(self) -> Iterator[Metric]:
            ran.append(self.names[0])
            yield from super().collect()

    registry = Registry({name: Noting(name) for name in "abc"})
    scrape = registry.scrape()
    for names in (["b_one"], ["b_one", "b_two"], ["none"]):
        list(scrape.families(registry.select(names=names)))
    assert ["b_one"] == ran
    list(scrape.families(registry.select(collect=["c", "b"])))
    assert ["b_one", "c_one"] == ran


@pytest.mark.parametrize(
    "query",
    [{"collect": ["c"]}, {"exclude": ["a", ""]}, {"collect": ["a"], "exclude": ["b"]}],
)
def test_impossible_selections(query: dict[str, list[str]]) -> None:
    """An unknown collector is an error that lists the known ones; so are both lists."""
    registry = Registry({"a": Steady("a"), "b": Steady("b")})
    with pytest.raises(
        SelectionError, match=r"(runs a, b, process|use collect\[\] or)"
    ):
        registry.select(**query)
