"""The choice of the exposition format, for the Accept headers that scrapers send."""

from __future__ import annotations

import pytest

from fanotify_exporter.metrics import exposition
from fanotify_exporter.metrics.negotiation import negotiate, qualities


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
    """A scraper gets a format that it accepts, with the matching content type."""
    given = negotiate(accept)
    without_escaping, _, _ = given.content_type.partition("; escaping=")
    assert content_type == without_escaping
    assert given.openmetrics == (content_type == OPENMETRICS)


@pytest.mark.parametrize("q", ["0.4", "0.6"])
def test_negotiates_by_preference(q: str) -> None:
    """Of two accepted formats the scraper gets the one with the higher quality."""
    openmetrics = f"application/openmetrics-text;version=1.0.0;q={q}"
    accept = f"text/plain;version=0.0.4;q=0.5,{openmetrics}"
    expected = OPENMETRICS if float(q) > 0.5 else TEXT_0_0_4
    assert expected == negotiate(accept).content_type


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
    """A malformed Accept header is never an error."""
    assert negotiate(accept) in (exposition.TEXT, exposition.OPENMETRICS)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("gzip", {"gzip": 1}),
        ("gzip;q=0.5, br, *;q=no", {"gzip": 0.5, "br": 1, "*": 0}),
        ("gzip;q=0, gzip;q=0.25", {"gzip": 0.25}),
        ("GZIP ; Q=0.", {"gzip": 0}),
    ],
)
def test_qualities(header: str, expected: dict[str, float]) -> None:
    """A name has the best of its qualities; a malformed quality counts as 0."""
    assert expected == qualities(header)
