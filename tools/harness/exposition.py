"""Whole pages of metric families, for tests that compare text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain

from fanotify_exporter.metrics.exposition import OPENMETRICS, TEXT, Format
from fanotify_exporter.metrics.families import Family
from fanotify_exporter.metrics.registry import Registry


Encoder = Callable[[Iterable[Family]], bytes]


def encode(form: Format, families: Iterable[Family]) -> bytes:
    """Return the page of *families*."""
    return b"".join(chain.from_iterable(map(form.encode, families))) + form.end


def encode_text(families: Iterable[Family]) -> bytes:
    """Return *families* in the Prometheus text format."""
    return encode(TEXT, families)


def encode_openmetrics(families: Iterable[Family]) -> bytes:
    """Return *families* as OpenMetrics."""
    return encode(OPENMETRICS, families)


def sample_value(
    registry: Registry, name: str, labels: Mapping[str, str] | None = None
) -> float | None:
    """Scrape, and return the value of a sample; None if there is no such sample."""
    for family in registry.scrape().collect():
        for sample in family.samples:
            if (sample.name, sample.labels) == (name, dict(labels or {})):
                return sample.value
    return None
