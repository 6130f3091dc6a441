"""The registry: failing collectors, families about collectors, selection by name."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from fanotify_exporter.metrics.registry import build_registry


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


def names(registry: CollectorRegistry) -> list[str]:
    return [
        family.name
        for family in registry.collect()
        if not family.name.startswith("process_")
    ]


def success(registry: CollectorRegistry, collector: str) -> float | None:
    return registry.get_sample_value(
        "fanotify_exporter_collector_success", {"collector": collector}
    )


ABOUT_COLLECTORS = [
    "fanotify_exporter_collector_success",
    "fanotify_exporter_collector_duration_seconds",
    "fanotify_exporter_collector_series",
]


def series(registry: CollectorRegistry, collector: str) -> float | None:
    return registry.get_sample_value(
        "fanotify_exporter_collector_series", {"collector": collector}
    )


class Counting(Steady):
    """A collector of counters with creation times."""

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily("counting", "Counted.", labels=["who"])
        for who in "abc":
            family.add_metric([who], 5, created=1.5)
        yield family


def test_series_are_those_of_a_scrape() -> None:
    """The series of each collector are counted without _created samples."""
    registry = build_registry({"a": Steady("a"), "counting": Counting("b")})
    assert (2, 3) == (series(registry, "a"), series(registry, "counting"))


def test_all_collectors_work() -> None:
    """Each family is there once, in order, and each collector succeeded."""
    registry = build_registry({"a": Steady("a"), "b": Steady("b")})
    assert ["a_one", "a_two", "b_one", "b_two", *ABOUT_COLLECTORS] == names(registry)
    assert (1, 1) == (success(registry, "a"), success(registry, "b"))


def test_failing_collector_costs_only_its_families() -> None:
    """A collector that fails half way loses all its families, and no others."""
    registry = build_registry(
        {"a": Steady("a"), "broken": Broken("broken"), "b": Steady("b")}
    )
    assert ["a_one", "a_two", "b_one", "b_two", *ABOUT_COLLECTORS] == names(registry)
    assert {
        "a": 1,
        "broken": 0,
        "b": 1,
    } == {name: success(registry, name) for name in ("a", "broken", "b")}


def test_failing_collector_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A failure is logged as one error with the collector's name and the exception."""
    list(build_registry({"broken": Broken("broken")}).collect())
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

    registry = build_registry({"changing": Changing("a"), "b": Steady("b")})
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
    registry = build_registry({"a": Steady("a"), "broken": Broken("broken")})
    for name in ("a", "broken"):
        seconds = registry.get_sample_value(
            "fanotify_exporter_collector_duration_seconds", {"collector": name}
        )
        assert seconds is not None
        assert 0 <= seconds < 1


def test_process_metrics_are_there() -> None:
    """The registry has the process_* metrics of the exporter itself."""
    found = {family.name for family in build_registry({}).collect()}
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

    build_registry({"a": Untouchable("a")})


def test_restricted_to_names() -> None:
    """name[] selects the named families of all collectors, and no others."""
    registry = build_registry({"a": Steady("a"), "b": Steady("b")})
    wanted = ["a_two", "b_one", "fanotify_exporter_collector_success"]
    found = registry.restricted_registry(wanted).collect()
    assert wanted == [family.name for family in found]


def test_restricted_to_families_about_collectors() -> None:
    """name[] selects a family about collectors."""
    registry = build_registry({"a": Steady("a")})
    for name in ABOUT_COLLECTORS:
        found = registry.restricted_registry([name]).collect()
        assert [name] == [family.name for family in found]


def test_restricted_to_process_metrics() -> None:
    """name[] selects process metrics."""
    found = build_registry({}).restricted_registry(["process_open_fds"]).collect()
    assert ["process_open_fds"] == [family.name for family in found]


def test_restricted_to_an_unknown_name() -> None:
    """name[] with an unknown name selects no family."""
    registry = build_registry({"a": Steady("a")})
    assert [] == list(registry.restricted_registry(["nobody_has_this"]).collect())
