"""The families about the exporter: versions, probes, maps, lost calls."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable

import pytest
from prometheus_client.core import Metric

from fanotify_exporter import __version__
from fanotify_exporter.bpf.loaded import AttachedProbe
from fanotify_exporter.bpf.permission_samples import PermissionSnapshot
from fanotify_exporter.bpf.samples import Lost, Snapshot, Usage
from fanotify_exporter.collectors.exporter_health import (
    ExporterHealthCollector,
    ProgramSet,
    ServerState,
)
from fanotify_exporter.collectors.revision import read_revision


PROBES = (
    AttachedProbe("fanotify_mark", "tracepoint:enter"),
    AttachedProbe("fanotify_mark", "tracepoint:exit"),
)
SNAPSHOT = Snapshot(
    counting_since=1.0,
    calls={},
    usage=(Usage("calls_privileged", 3, 8), Usage("calls_user", 0, 8)),
    lost=(
        Lost("fanotify_mark", "no_entry", 5),
        Lost("fanotify_mark", "recursion", 0),
        Lost("fanotify_mark", "nmissed", 7, is_stale=True),
    ),
)
CALLS = ProgramSet("calls", PROBES, lambda: SNAPSHOT)
WAITS = ProgramSet(
    "permission",
    (AttachedProbe("permission_wait", "fentry:fsnotify_prepare_user_wait"),),
    lambda: PermissionSnapshot(
        counting_since=2.0,
        totals=(),
        usage=(Usage("permission_groups", 1, 256),),
        lost=(Lost("permission_wait", "no_begin", 4),),
    ),
)


@pytest.fixture
def families() -> dict[str, Metric]:
    collector = ExporterHealthCollector(
        "0.26.0", [CALLS], lambda hook: hook == "tracepoint:enter"
    )
    return {family.name: family for family in collector.collect()}


def rows(family: Metric) -> list[tuple[dict[str, str], float]]:
    return [(sample.labels, sample.value) for sample in family.samples]


def test_build_info(families: dict[str, Metric]) -> None:
    """build_info has the versions of the exporter, Python, bcc and the kernel."""
    labels = {
        "version": __version__,
        "revision": read_revision(),
        "python": platform.python_version(),
        "bcc": "0.26.0",
        "kernel": os.uname().release,
    }
    assert [(labels, 1)] == rows(families["fanotify_exporter_build_info"])


def test_each_attach_point_is_attached_or_not(families: dict[str, Metric]) -> None:
    """Each attach point has a series: 1 if its probe is attached, 0 if not."""
    assert [
        ({"probe": "fanotify_mark", "hook": "tracepoint:enter"}, 1),
        ({"probe": "fanotify_mark", "hook": "tracepoint:exit"}, 0),
    ] == rows(families["fanotify_exporter_probe_attached"])


def test_maps_are_measured_beside_their_limit(families: dict[str, Metric]) -> None:
    """The number of keys and its maximum have the same labels, for a ratio."""
    assert [
        ({"map": "calls_privileged"}, 3),
        ({"map": "calls_user"}, 0),
    ] == rows(families["fanotify_exporter_map_entries"])
    assert [
        ({"map": "calls_privileged"}, 8),
        ({"map": "calls_user"}, 8),
    ] == rows(families["fanotify_exporter_map_max_entries"])


def test_lost_calls_have_a_reason(families: dict[str, Metric]) -> None:
    """Each reason has a counter from the start; a number not read now is left out."""
    lost = families["fanotify_exporter_lost_calls"]
    assert "counter" == lost.type
    assert [
        ({"probe": "fanotify_mark", "reason": "no_entry"}, 5),
        ({"probe": "fanotify_mark", "reason": "recursion"}, 0),
    ] == rows(lost)


def test_when_counting_began(families: dict[str, Metric]) -> None:
    """The start time is that of the programs, not that of the exporter."""
    family = families["fanotify_exporter_counting_start_time_seconds"]
    assert [({"programs": "calls"}, 1.0)] == rows(family)


def test_sets_of_programs() -> None:
    """Each set has its probes, maps, lost calls and start, in the same families."""
    collector = ExporterHealthCollector("0.26.0", [CALLS, WAITS], lambda _: True)
    found = {family.name: rows(family) for family in collector.collect()}
    assert (
        {"probe": "permission_wait", "hook": "fentry:fsnotify_prepare_user_wait"},
        1,
    ) == found["fanotify_exporter_probe_attached"][-1]
    for name, count in (("entries", 1), ("max_entries", 256)):
        samples = found[f"fanotify_exporter_map_{name}"]
        assert [2, ({"map": "permission_groups"}, count)] == [
            len(samples) - 1,
            samples[-1],
        ]
    assert ({"probe": "permission_wait", "reason": "no_begin"}, 4) == found[
        "fanotify_exporter_lost_calls"
    ][-1]
    assert [({"programs": "calls"}, 1.0), ({"programs": "permission"}, 2.0)] == found[
        "fanotify_exporter_counting_start_time_seconds"
    ]


@pytest.mark.parametrize(("age", "expected"), [(None, []), (lambda: 0.5, [({}, 0.5)])])
def test_server(
    age: Callable[[], float] | None, expected: list[tuple[dict[str, str], float]]
) -> None:
    """Dropped log records are counted; without a web configuration there is no age."""
    server = ServerState(lambda: 7, web_config_age=age)
    collector = ExporterHealthCollector("0.26.0", server=server)
    families = {family.name: family for family in collector.collect()}
    assert expected == rows(families["fanotify_exporter_web_config_age_seconds"])
    assert [({}, 7)] == rows(families["fanotify_exporter_log_records_dropped"])


def test_describes_what_it_collects() -> None:
    """The collector describes the families that it collects."""
    collector = ExporterHealthCollector("0.26.0", [CALLS])
    described = [
        (each.name, each.type, each.documentation) for each in collector.describe()
    ]
    collected = [
        (each.name, each.type, each.documentation) for each in collector.collect()
    ]
    assert described == collected
    assert not any(family.samples for family in collector.describe())


def test_describing_reads_no_map() -> None:
    """The collector describes its families without reading a map."""

    def read() -> Snapshot:
        pytest.fail("the maps were read")

    calls = ProgramSet("calls", PROBES, read)
    list(ExporterHealthCollector("0.26.0", [calls]).describe())


def test_without_programs() -> None:
    """Without programs no family about probes, maps and lost calls has a series."""
    collector = ExporterHealthCollector("none")
    families = {family.name: rows(family) for family in collector.collect()}
    ((labels, _),) = families.pop("fanotify_exporter_build_info")
    assert "none" == labels["bcc"]
    assert [("fanotify_exporter_log_records_dropped", [({}, 0)])] == [
        (name, found) for name, found in families.items() if found
    ]
