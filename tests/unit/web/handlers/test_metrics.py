"""Scrapes: formats, encodings, selected names, failures."""

from __future__ import annotations

import gzip

import pytest

from fanotify_exporter.metrics.exposition import encode_openmetrics, encode_text
from tools.harness.web_server import (
    Counting,
    Failing,
    Fishes,
    ask,
    example_service,
    request,
    serve,
)


OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def test_text_format() -> None:
    """A scrape is the text exposition of the registry."""
    assert encode_text(Fishes().collect()) == ask(example_service(), "/metrics").body


def test_unknown_query() -> None:
    """Unknown query parameters have no effect."""
    assert (
        encode_text(Fishes().collect()) == ask(example_service(), "/metrics?x=/y").body
    )


def test_openmetrics() -> None:
    """The Accept header selects the format, and Vary tells caches."""
    answer = ask(example_service(), "/metrics", Accept="application/openmetrics-text")
    assert OPENMETRICS == answer.headers["Content-Type"]
    assert "Accept, Accept-Encoding" == answer.headers["Vary"]
    assert encode_openmetrics(Fishes().collect()) == answer.body


@pytest.mark.parametrize("accepted", ["gzip", "deflate, gzip;q=1.0, *;q=0.5", "GZIP"])
def test_gzip(accepted: str) -> None:
    """A client that accepts gzip gets the same text compressed."""
    answer = ask(example_service(), "/metrics", Accept_Encoding=accepted)
    assert "gzip" == answer.headers["Content-Encoding"]
    assert "Accept, Accept-Encoding" == answer.headers["Vary"]
    assert encode_text(Fishes().collect()) == gzip.decompress(answer.body)


@pytest.mark.parametrize("accepted", ["", "identity", "br", "gzip;q=0", "gzip; q=0.0"])
def test_no_gzip(accepted: str) -> None:
    """A client that does not accept gzip gets plain text."""
    answer = ask(example_service(), "/metrics", Accept_Encoding=accepted)
    assert "Content-Encoding" not in answer.headers
    assert encode_text(Fishes().collect()) == answer.body


def test_selected_names() -> None:
    """name[] selects families, each with its HELP and TYPE lines."""
    answer = ask(example_service(), "/metrics?name[]=ponds&name[]=no_such_name")
    assert 200 == answer.status
    assert b"# HELP ponds Ponds.\n# TYPE ponds gauge\nponds 1.0\n" == answer.body


def test_concurrent_scrapes() -> None:
    """Scrapes at about the same time run the collectors once, whatever their name[]."""
    counting = Counting()

    def client(port: int) -> list[bytes]:
        names = ("", "?name[]=ponds", "?name[]=fishes_total", "")
        return [request(port, f"/metrics{name}").body for name in names]

    everything, ponds, fishes, again = serve(example_service(counting), client)
    assert 1 == counting.scrapes
    assert everything == again == fishes + ponds


def test_scrape_without_page_view() -> None:
    """A scrape runs the collectors once: the landing page adds no run."""
    counting = Counting()
    serve(example_service(counting), lambda port: request(port, "/metrics"))
    assert 1 == counting.scrapes


def test_failing_scrape(caplog: pytest.LogCaptureFixture) -> None:
    """An exception in a scrape is a 500 without details; the log has the details."""
    answer = ask(example_service(Failing()), "/metrics")
    assert (500, b"500 Internal Server Error\n") == (answer.status, answer.body)
    assert "the inmost secret" in caplog.text


@pytest.mark.parametrize(
    "query",
    ["name[]=%ff", "name[]=" + "&name[]=x" * 1000, "name[]=%00", "name[]=", "&;="],
)
def test_hostile_query(query: str) -> None:
    """A query of any bytes gets 200 or 400, never a traceback."""
    answer = ask(example_service(), f"/metrics?{query}")
    assert answer.status in (200, 400)
    assert b"Traceback" not in answer.body


@pytest.mark.parametrize(
    "accept", ["application/openmetrics-text;version=abc", "text/plain;version=x"]
)
def test_hostile_accept(accept: str) -> None:
    """A malformed Accept header gets the text format."""
    assert 200 == ask(example_service(), "/metrics", Accept=accept).status
