"""Warnings about limits: which, when, and only once."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

import pytest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from fanotify_exporter.collectors.exporter_health import ExporterHealthCollector
from fanotify_exporter.collectors.limit_warnings import MAX_USERS, LimitWarnings
from fanotify_exporter.metrics.registry import Registry
from tools.harness.golden import SNAPSHOT, call_programs


def gauge(name: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, "", labels=(label,) if label else ())
    for each, value in values.items():
        family.add_metric((each,) if label else (), value)
    return family


def marks(**used: float) -> Metric:
    values = {uid.removeprefix("uid"): value for uid, value in used.items()}
    return gauge("fanotify_user_marks", "uid", values)


LIMIT = gauge("fanotify_user_marks_limit", "", {"": 100})


def warned(caplog: pytest.LogCaptureFixture, key: str) -> list[object]:
    """Return the values of *key* in the warnings so far."""
    assert {logging.WARNING} >= {record.levelno for record in caplog.records}
    return [vars(record)[key] for record in caplog.records if key in vars(record)]


def test_users_at_a_limit(caplog: pytest.LogCaptureFixture) -> None:
    """A user is named once, when the limit is reached; the limit may come later."""
    warnings = LimitWarnings()
    warnings.observe([marks(uid0=99, uid7=100)])
    assert [] == caplog.records
    warnings.observe([LIMIT])
    assert ["7"] == warned(caplog, "uid")
    for _ in range(3):
        warnings.observe([marks(uid0=101, uid7=50)])
        warnings.observe([marks(uid0=10, uid7=100)])
    assert ["7", "0"] == warned(caplog, "uid")
    assert {"fanotify_user_marks_limit"} == set(warned(caplog, "limit"))
    assert [100, 101] == warned(caplog, "used")


def test_users_of_inotify_at_a_limit(caplog: pytest.LogCaptureFixture) -> None:
    """A user of inotify is named with the sysctl and the error of the next calls."""
    warnings = LimitWarnings()
    warnings.observe([gauge("inotify_user_instances_limit", "", {"": 128})])
    warnings.observe([gauge("inotify_user_watches_limit", "", {"": 9}), LIMIT])
    warnings.observe(
        [
            gauge("inotify_user_instances", "uid", {"0": 128, "7": 127}),
            gauge("inotify_user_watches", "uid", {"0": 8, "7": 9}),
        ]
    )
    assert ["0", "7"] == warned(caplog, "uid")
    assert ["EMFILE", "ENOSPC"] == warned(caplog, "errno")
    assert [
        "fs.inotify.max_user_instances",
        "fs.inotify.max_user_watches",
    ] == warned(caplog, "sysctl")


def test_many_users(caplog: pytest.LogCaptureFixture) -> None:
    """At most MAX_USERS users are named, and never the sum over the other users."""
    users = {str(uid): 100.0 for uid in range(500)} | {"[other: too many]": 9e9}
    LimitWarnings().observe([LIMIT, gauge("fanotify_user_marks", "uid", users)])
    assert [str(uid) for uid in range(MAX_USERS)] == warned(caplog, "uid")


def test_full_map(caplog: pytest.LogCaptureFixture) -> None:
    """A full map is one warning in any number of scrapes."""
    health = ExporterHealthCollector("", [call_programs(replace(SNAPSHOT, lost=()))])
    registry = Registry({"health": health}, observe=LimitWarnings().observe)
    for _ in range(3):
        list(registry.scrape().collect())
    assert ["calls_user"] == warned(caplog, "map")
    assert ["--bpf.max-user-entries"] == warned(caplog, "flag")


def test_full_map_without_flag(caplog: pytest.LogCaptureFixture) -> None:
    """No flag is named for a map that has a fixed size."""
    maps = {"permission_groups": 256.0, "permission_waits": 32768.0}
    names = "fanotify_exporter_map_entries", "fanotify_exporter_map_max_entries"
    LimitWarnings().observe([gauge(name, "map", maps) for name in names])
    assert [*maps] == warned(caplog, "map")
    assert [] == warned(caplog, "flag")


@pytest.mark.parametrize(
    ("reason", "least"),
    [
        ("recursion", 1),
        ("nmissed", 1),
        ("no_entry", 11),
        ("no_begin", 0),
        ("map_full", 0),
    ],
)
def test_lost_calls(caplog: pytest.LogCaptureFixture, reason: str, least: int) -> None:
    """The first lost calls of a reason are a warning, for each system call."""

    def lost(count: float) -> Metric:
        family = CounterMetricFamily(
            "fanotify_exporter_lost_calls", "", labels=("probe", "reason")
        )
        for probe in ("fanotify_mark", "fanotify_init"):
            family.add_metric((probe, reason), count)
        return family

    warnings = LimitWarnings()
    warnings.observe([lost(max(0, least - 1))])
    assert [] == caplog.records
    for count in (least, least + 1, 10**9):
        warnings.observe([lost(count)])
    expected = ["fanotify_mark", "fanotify_init"] if least else []
    assert expected == warned(caplog, "probe")
