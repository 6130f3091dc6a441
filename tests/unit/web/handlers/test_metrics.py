"""Scrapes: formats, encodings, selected names, failures."""

from __future__ import annotations

import gzip
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tools.harness.exposition import encode_openmetrics, encode_text
from tools.harness.web_server import (
    CONSTANT,
    Answer,
    Counting,
    Failing,
    Fishes,
    ask,
    example_service,
    request,
    serve,
)


CONSTANT_PAGE = f"/metrics?{CONSTANT}"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def test_text_format() -> None:
    """A scrape is the text exposition of the registry."""
    assert encode_text(Fishes().collect()) == ask(example_service(), CONSTANT_PAGE).body


def test_unknown_query() -> None:
    """Unknown query parameters have no effect."""
    assert (
        encode_text(Fishes().collect())
        == ask(example_service(), f"{CONSTANT_PAGE}&x=/y").body
    )


def test_openmetrics() -> None:
    """The Accept header selects the format, and Vary tells caches."""
    answer = ask(
        example_service(), CONSTANT_PAGE, Accept="application/openmetrics-text"
    )
    assert OPENMETRICS == answer.headers["Content-Type"]
    assert "Accept, Accept-Encoding" == answer.headers["Vary"]
    assert encode_openmetrics(Fishes().collect()) == answer.body


@pytest.mark.parametrize("accepted", ["gzip", "deflate, gzip;q=1.0, *;q=0.5", "GZIP"])
def test_gzip(accepted: str) -> None:
    """A client that accepts gzip gets the same text compressed."""
    answer = ask(example_service(), CONSTANT_PAGE, Accept_Encoding=accepted)
    assert "gzip" == answer.headers["Content-Encoding"]
    assert "Accept, Accept-Encoding" == answer.headers["Vary"]
    assert encode_text(Fishes().collect()) == gzip.decompress(answer.body)


@pytest.mark.parametrize("accepted", ["", "identity", "br", "gzip;q=0", "gzip; q=0.0"])
def test_no_gzip(accepted: str) -> None:
    """A client that does not accept gzip gets plain text."""
    answer = ask(example_service(), CONSTANT_PAGE, Accept_Encoding=accepted)
    assert "Content-Encoding" not in answer.headers
    assert encode_text(Fishes().collect()) == answer.body


def test_selected_names() -> None:
    """name[] selects families, each with its HELP and TYPE lines."""
    answer = ask(example_service(), "/metrics?name[]=ponds&name[]=no_such_name")
    assert 200 == answer.status
    assert b"# HELP ponds Ponds.\n# TYPE ponds gauge\nponds 1.0\n" == answer.body


@pytest.mark.parametrize("accepted", ["gzip", "identity"])
def test_unknown_names(accepted: str) -> None:
    """name[] with unknown names only selects nothing, as in prometheus-client."""
    answer = ask(example_service(), "/metrics?name[]=none", Accept_Encoding=accepted)
    assert 200 == answer.status
    body = gzip.decompress(answer.body) if accepted == "gzip" else answer.body
    assert b"" == body


def test_selected_collectors() -> None:
    """collect[] selects collectors, and the families about these collectors."""
    body = ask(example_service(), "/metrics?collect[]=fishes").body
    assert body.startswith(encode_text(Fishes().collect()))
    assert b'collector_success{collector="fishes"} 1.0\n' in body
    assert b"process" not in body
    assert b"fishes" not in ask(example_service(), "/metrics?exclude[]=fishes").body


@pytest.mark.parametrize(
    "query", ["collect[]=birds", "exclude[]=", "collect[]=fishes&exclude[]=process"]
)
def test_impossible_selections(query: str) -> None:
    """An unknown collector is a 400 that lists the collectors; the query is no text."""
    answer = ask(example_service(), f"/metrics?{query}")
    assert (400, "text/plain; charset=utf-8") == (
        answer.status,
        answer.headers["Content-Type"],
    )
    assert answer.body.startswith(b"400 Bad Request: ")
    assert b"bird" not in answer.body
    assert (b"runs fishes, process" in answer.body) == ("&" not in query)


def test_waiting_scrapes_share_the_collectors() -> None:
    """Scrapes that wait run the collectors once, whatever they select and accept."""
    counting = Counting()
    counting.may_end.clear()

    def client(port: int) -> list[Answer]:
        queries = ("", "?name[]=ponds", "?collect[]=fishes", "?x=y", "?name[]=none")
        with ThreadPoolExecutor(12) as pool:
            first = pool.submit(request, port, "/metrics")
            assert counting.started.wait(5)
            waiting = [
                pool.submit(request, port, f"/metrics{query}", Accept_Encoding=coding)
                for query in queries
                for coding in ("", "gzip")
            ]
            waiting.append(pool.submit(request, port, "/"))
            time.sleep(0.5)  # all requests have arrived
            counting.may_end.set()
            return [each.result() for each in [first, *waiting]]

    answers = serve(example_service(counting), client)
    assert [200] * 12 == [answer.status for answer in answers]
    assert 2 == counting.scrapes


def test_clients_that_leave_cost_no_scrape() -> None:
    """A scrape does not begin for clients that left while they waited for it."""
    counting = Counting()
    counting.may_end.clear()

    def client(port: int) -> None:
        with ThreadPoolExecutor() as pool:
            first = pool.submit(request, port, "/metrics")
            assert counting.started.wait(5)
            for path in (b"/metrics", b"/"):
                with socket.create_connection(("127.0.0.1", port)) as leaving:
                    leaving.sendall(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % path)
                    time.sleep(0.2)  # the server waits for the scrape
            # The server has seen the ends of the connections.
            assert 200 == request(port, "/-/healthy").status
            counting.may_end.set()
            assert 200 == first.result().status
            time.sleep(0.5)  # longer than the rest after the scrape

    serve(example_service(counting), client)
    assert 1 == counting.scrapes


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
