"""Families in, text out: the library's bytes, and a format for each Accept header."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.openmetrics.exposition import (
    generate_latest as generate_openmetrics,
)
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from fanotify_exporter.bpf.samples import OTHER_COMM, Call, Snapshot
from fanotify_exporter.collectors.mark_calls import MarkCallsCollector
from fanotify_exporter.metrics.exposition import encode_openmetrics, encode_text, only
from fanotify_exporter.metrics.negotiation import Encoder, negotiate
from fanotify_exporter.metrics.registry import build_registry
from fanotify_exporter.uapi.comm import comm_text


HOSTILE = (
    "",
    " ",
    'say "hi"',
    "back\\slash",
    "new\nline",
    "\\n",
    '\\"',
    "trailing\\",
    'a="b",c="d"} 1\nforged{x="y',
    "# TYPE forged counter",
    "\u00f8re \U0001f41f \u202e",
    OTHER_COMM,
    *(comm_text(bytes([byte])) for byte in range(256)),
)

VALUES = (0, 1, 23, 999_999, 1_000_000, 12_345_678, 2**53 + 1, 2**63, 0.1, 1.5e-7)


@dataclass(frozen=True)
class Frozen:
    """A registry whose families do not change between two looks."""

    families: tuple[Metric, ...]

    def collect(self) -> Iterable[Metric]:
        return self.families

    def without_created(self) -> Frozen:
        return Frozen(tuple(_without_created(family) for family in self.families))


def _without_created(family: Metric) -> Metric:
    copy = Metric(family.name, family.documentation, family.type)
    created = f"{family.name}_created"
    copy.samples = [each for each in family.samples if each.name != created]
    return copy


def hostile_families() -> Frozen:
    """Return our own counters with every bad comm, and gauges with every value."""
    calls = [
        Call(
            comm,
            0x111,
            0x8000_0000_0000_0020,
            index % 3,
            10**index % 2**63,
            1e9 + index / 7,
        )
        for index, comm in enumerate(HOSTILE)
    ]
    gauge = GaugeMetricFamily("gauge", "Back\\slash,\nnew line.", labels=("z", "a"))
    for value in VALUES:
        gauge.add_metric((str(value), "\\"), value)
    bare = GaugeMetricFamily("bare", "No labels.", value=float("inf"))
    counter = CounterMetricFamily("bare_counter", "No labels.", value=3, created=1.5)
    empty = CounterMetricFamily("empty", "No series.", labels=("a",))
    collector = MarkCallsCollector(
        lambda: Snapshot(1.0, {"fanotify_mark": calls}, (), ())
    )
    return Frozen((*collector.collect(), gauge, bare, counter, empty))


def our_families() -> Frozen:
    """Return what our registry holds when nothing is loaded."""
    calls = {"fanotify_mark": (Call("a", 0x1, 0x20, 9, 2, 1e9),)}
    snapshot = Snapshot(1.0, calls, (), ())
    collector = MarkCallsCollector(lambda: snapshot)
    return Frozen(tuple(build_registry({"mark_calls": collector}).collect()))


@pytest.mark.parametrize("frozen", [hostile_families(), our_families()])
def test_openmetrics_is_the_librarys(frozen: Frozen) -> None:
    """The OpenMetrics bytes are those of prometheus-client."""
    expected = generate_openmetrics(frozen)  # type: ignore[no-untyped-call]
    assert expected == encode_openmetrics(frozen.collect())


@pytest.mark.parametrize("frozen", [hostile_families(), our_families()])
def test_text_is_the_librarys(frozen: Frozen) -> None:
    """The text bytes are those of prometheus-client, without _created."""
    expected = generate_latest(frozen.without_created())
    assert expected == encode_text(frozen.collect())


def series(families: Iterable[Any]) -> dict[tuple[str, frozenset[Any]], float]:
    """Return every sample's value by name and labels; none twice."""
    found = [
        ((sample.name, frozenset(sample.labels.items())), float(sample.value))
        for family in families
        for sample in family.samples
    ]
    assert len(dict(found)) == len(found)
    return dict(found)


def test_text_parses_back() -> None:
    """A parser reads from the text the label values and counts that went in."""
    frozen = hostile_families()
    text = encode_text(frozen.collect()).decode()
    assert series(frozen.without_created().families) == series(parse_text(text))


def test_openmetrics_parses_back() -> None:
    """A parser reads from OpenMetrics what went in, _created too."""
    frozen = hostile_families()
    text = encode_openmetrics(frozen.collect()).decode()
    parsed = parse_openmetrics(text)  # type: ignore[no-untyped-call]
    assert series(frozen.families) == series(parsed)


def test_no_families() -> None:
    """Nothing to say is an empty text, and OpenMetrics' end mark."""
    assert b"" == encode_text([])
    assert b"# EOF\n" == encode_openmetrics([])


@pytest.mark.parametrize("encode", [encode_text, encode_openmetrics])
def test_only_some(encode: Encoder) -> None:
    """A family is found by its name and its samples' names, and by nothing else."""
    families = [each for each in hostile_families().families if each.samples]
    text = encode(families)
    for family in families:
        for sample in family.samples[:2]:
            assert encode([family]) == only(text, [sample.name, "none", "", "\n"])
    assert text == only(text, [each.samples[0].name for each in families])
    assert encode([]) == only(text, ["none", "forged", "# HELP"])


TEXT_0_0_4 = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,"
    "application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
    "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
PROMETHEUS_3_TEXT_FIRST = (
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "text/plain;version=0.0.4;q=0.5,"
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.4,*/*;q=0.3"
)
PROMETHEUS_NATIVE_HISTOGRAMS = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
    "encoding=delimited;q=0.6," + PROMETHEUS_3
)
PROMETHEUS_1 = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
    "encoding=delimited;q=0.7,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"
)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", TEXT_0_0_4),
        ("*/*", TEXT_0_0_4),
        ("text/html,application/xhtml+xml,*/*;q=0.8", TEXT_0_0_4),
        ("text/plain", TEXT_0_0_4),
        ("text/plain;version=0.0.4", TEXT_0_0_4),
        ("text/plain;version=1.0.0", TEXT_0_0_4),
        ("application/openmetrics-text", OPENMETRICS),
        ("application/openmetrics-text;version=0.0.1", OPENMETRICS),
        ("application/openmetrics-text;version=1.0.0", OPENMETRICS),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", OPENMETRICS),
        ("application/openmetrics-text;version=2.0.0", OPENMETRICS),
        (PROMETHEUS_1, TEXT_0_0_4),
        (PROMETHEUS_2, OPENMETRICS),
        (PROMETHEUS_3, OPENMETRICS),
        (PROMETHEUS_3_TEXT_FIRST, TEXT_0_0_4),
        (PROMETHEUS_NATIVE_HISTOGRAMS, OPENMETRICS),
        (f"{PROMETHEUS_3},application/openmetrics-text;q=0.1", OPENMETRICS),
        ("application/openmetrics-text;q=0", TEXT_0_0_4),
        ("application/openmetrics-text;q=no", TEXT_0_0_4),
        ("Application/OpenMetrics-Text;Q=0.9,text/plain;q=0.5", OPENMETRICS),
    ],
)
def test_negotiates(accept: str, content_type: str) -> None:
    """A scraper gets a format that it asked for, encoded as the header says."""
    encode, given = negotiate(accept)
    without_escaping, _, _ = given.partition("; escaping=")
    assert content_type == without_escaping
    assert encode is (
        encode_openmetrics if content_type == OPENMETRICS else encode_text
    )


@pytest.mark.parametrize("q", ["0.4", "0.6"])
def test_negotiates_by_preference(q: str) -> None:
    """Of the formats that it accepts, a scraper gets the one it likes best."""
    openmetrics = f"application/openmetrics-text;version=1.0.0;q={q}"
    accept = f"text/plain;version=0.0.4;q=0.5,{openmetrics}"
    expected = OPENMETRICS if float(q) > 0.5 else TEXT_0_0_4
    assert expected == negotiate(accept)[1]


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text;version=abc",
        "application/openmetrics-text;version=1.0.0-rc1",
        "application/openmetrics-text;version=",
        "text/plain;version=x",
        "text/plain;version=1.x",
        "text/plain;version",
        "text/plain;;;=;",
        ";,;,",
        "\xff\xfe",
        "a/b," * 3000,
    ],
)
def test_survives_any_accept_header(accept: str) -> None:
    """Whatever a client sends as Accept, it gets a format and no error."""
    encode, content_type = negotiate(accept)
    assert encode in (encode_text, encode_openmetrics)
    assert content_type.startswith(("text/plain; ", "application/openmetrics-text; "))
