"""The encoders: the same bytes as prometheus-client, and what parsers read back."""

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
from fanotify_exporter.metrics.exposition import (
    OPENMETRICS,
    PIECE_CHARS,
    TEXT,
    Format,
)
from fanotify_exporter.metrics.families import (
    CounterFamily,
    Family,
    HistogramFamily,
)
from fanotify_exporter.metrics.registry import Registry
from fanotify_exporter.uapi.comm import comm_text
from tools.harness.exposition import encode, encode_openmetrics, encode_text


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
    comm_text(b"\xff\x00\t"),
)

VALUES = (0, 1, 23, 999_999, 1_000_000, 12_345_678, 2**53 + 1, 2**63, 0.1, 1.5e-7)


@dataclass(frozen=True)
class Frozen:
    """A registry that returns the same families on each scrape."""

    families: tuple[Family, ...]

    def collect(self) -> Iterable[Family]:
        return self.families


@dataclass(frozen=True)
class Library:
    """The same families as prometheus-client knows them."""

    frozen: Frozen
    created: bool = True

    def collect(self) -> Iterable[Metric]:
        for family in self.frozen.families:
            copy = Metric(family.name, family.documentation, family.type)
            created = "" if self.created else f"{family.name}_created"
            copy.samples = [each for each in family.samples if each.name != created]
            yield copy


def hostile_families() -> Frozen:
    """Return counters with each hostile comm, and gauges with each value."""
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
        lambda: Snapshot(1.0, {"fanotify_mark": calls}, (), ()), created=True
    )
    others = gauge, bare, counter, empty, histogram()
    return Frozen((*collector.collect(), *others))


def histogram() -> HistogramFamily:
    """Return a histogram with each hostile comm, and labels on both sides of le."""
    family = HistogramFamily("waits", "Seconds.", ("z", "a"), (0.0001, 1), created=True)
    for index, comm in enumerate(HOSTILE):
        family.add((comm, "\\"), (index, 10**index, 3), index / 7, 1e9 + index)
    return family


def our_families() -> Frozen:
    """Return the families of a registry with one collector."""
    calls = {"fanotify_mark": (Call("a", 0x1, 0x20, 9, 2, 1e9),)}
    snapshot = Snapshot(1.0, calls, (), ())
    collector = MarkCallsCollector(lambda: snapshot)
    return Frozen(tuple(Registry({"mark_calls": collector}).scrape().collect()))


@pytest.mark.parametrize("frozen", [hostile_families(), our_families()])
def test_openmetrics_is_the_librarys(frozen: Frozen) -> None:
    """The OpenMetrics bytes equal those of prometheus-client."""
    expected = generate_openmetrics(Library(frozen))  # type: ignore[no-untyped-call]
    assert expected == encode_openmetrics(frozen.collect())


@pytest.mark.parametrize("frozen", [hostile_families(), our_families()])
def test_text_is_the_librarys(frozen: Frozen) -> None:
    """The text bytes equal those of prometheus-client, without _created."""
    expected = generate_latest(Library(frozen, created=False))
    assert expected == encode_text(frozen.collect())


def series(families: Iterable[Any]) -> dict[tuple[str, frozenset[Any]], float]:
    """Return each sample's value by name and labels; no sample is there twice."""
    found = [
        ((sample.name, frozenset(sample.labels.items())), float(sample.value))
        for family in families
        for sample in family.samples
    ]
    assert len(dict(found)) == len(found)
    return dict(found)


def test_text_parses_back() -> None:
    """A parser reads the encoded label values and counts back from the text."""
    frozen = hostile_families()
    text = encode_text(frozen.collect()).decode()
    assert series(Library(frozen, created=False).collect()) == series(parse_text(text))


def test_openmetrics_parses_back() -> None:
    """A parser reads the encoded samples back from OpenMetrics, with _created."""
    frozen = hostile_families()
    text = encode_openmetrics(frozen.collect()).decode()
    parsed = parse_openmetrics(text)  # type: ignore[no-untyped-call]
    assert series(frozen.families) == series(parsed)


def test_buckets() -> None:
    """Buckets are cumulative, and le is spelled alike in both formats."""
    family = HistogramFamily("waits", "Seconds.", ("comm",), (0.0001, 1, 30))
    family.add(("a",), (1, 0, 2, 1), 40.5, 1.5)
    family.add(("a",), (0, 3, 0, 0), 0.5, 1.5)
    lines = [
        'waits_bucket{comm="a",le="0.0001"} 1.0',
        'waits_bucket{comm="a",le="1.0"} 4.0',
        'waits_bucket{comm="a",le="30.0"} 6.0',
        'waits_bucket{comm="a",le="+Inf"} 7.0',
        'waits_count{comm="a"} 7.0',
        'waits_sum{comm="a"} 41.0',
    ]
    head = ["# HELP waits Seconds.", "# TYPE waits histogram"]
    assert [*head, *lines] == encode_text([family]).decode().splitlines()
    openmetrics = encode_openmetrics([family]).decode().splitlines()
    assert [*head, *lines, "# EOF"] == openmetrics


def test_created_of_a_histogram() -> None:
    """The creation time of a series that is summed is the earliest."""
    family = HistogramFamily("waits", "Seconds.", ("comm",), (1,), created=True)
    for first in (5.0, 4.0, 6.0):
        family.add(("a",), (1, 0), 0.5, first)
    *_, created = family.samples
    assert ("waits_created", 4.0) == (created.name, created.value)


def test_no_families() -> None:
    """Without families the text is empty, and OpenMetrics has its end mark."""
    assert b"" == encode_text([])
    assert b"# EOF\n" == encode_openmetrics([])


@pytest.mark.parametrize("form", [TEXT, OPENMETRICS])
def test_pieces(form: Format) -> None:
    """A large family is encoded in pieces of whole lines, of at most 64 KiB or so."""
    family = CounterFamily("large", "Large.", ("name",))
    for number in range(5000):
        family.add((f"{number:0100}",), number, 0.0)
    pieces = list(form.encode(family))
    assert len(pieces) > 5000 * 100 / PIECE_CHARS
    assert all(len(piece) < PIECE_CHARS + 200 for piece in pieces)
    assert all(piece.endswith(b"\n") for piece in pieces[:-1])
    assert encode(form, [family]) == b"".join(pieces) + form.end
