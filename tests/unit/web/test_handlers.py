"""The pages over HTTP: routes, formats, errors; what they say and what they do not."""

from __future__ import annotations

import gzip
import logging
import re
from base64 import b64encode
from hashlib import sha256

import pytest

from fanotify_exporter import __version__
from fanotify_exporter.metrics.exposition import encode_openmetrics, encode_text
from tools.harness.web_server import (
    Counting,
    Failing,
    Fishes,
    ask,
    request,
    serve,
    site_of,
)


TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PLAIN = "text/plain; charset=utf-8"
HTML = "text/html; charset=UTF-8"


@pytest.mark.parametrize(
    ("path", "content_type", "start"),
    [
        ("/", HTML, b"<!doctype html>"),
        ("/metrics", TEXT, b"# HELP fishes_total Fishes.\n"),
        ("/-/healthy", PLAIN, b"Healthy.\n"),
        ("/-/ready", PLAIN, b"Ready.\n"),
    ],
)
def test_routes(path: str, content_type: str, start: bytes) -> None:
    """Each page is there, says what it is, and lets no browser guess otherwise."""
    answer = ask(site_of(), path)
    assert 200 == answer.status
    assert content_type == answer.headers["Content-Type"]
    assert "nosniff" == answer.headers["X-Content-Type-Options"]
    assert "Server" not in answer.headers
    assert answer.body.startswith(start)


def test_metrics_are_the_registrys() -> None:
    """A scrape is what the registry collects, as text."""
    assert encode_text(Fishes().collect()) == ask(site_of(), "/metrics").body


def test_query_is_not_part_of_the_path() -> None:
    """Parameters that the exporter does not know change nothing."""
    assert encode_text(Fishes().collect()) == ask(site_of(), "/metrics?x=/y").body


def test_openmetrics_if_asked_for() -> None:
    """The Accept header chooses the format, and caches are told so."""
    answer = ask(site_of(), "/metrics", Accept="application/openmetrics-text")
    assert OPENMETRICS == answer.headers["Content-Type"]
    assert "Accept, Accept-Encoding" == answer.headers["Vary"]
    assert encode_openmetrics(Fishes().collect()) == answer.body


@pytest.mark.parametrize("accepted", ["gzip", "deflate, gzip;q=1.0, *;q=0.5", "GZIP"])
def test_gzip_if_asked_for(accepted: str) -> None:
    """A client that reads gzip gets the same text packed."""
    answer = ask(site_of(), "/metrics", Accept_Encoding=accepted)
    assert "gzip" == answer.headers["Content-Encoding"]
    assert "Accept, Accept-Encoding" == answer.headers["Vary"]
    assert encode_text(Fishes().collect()) == gzip.decompress(answer.body)


@pytest.mark.parametrize("accepted", ["", "identity", "br", "gzip;q=0", "gzip; q=0.0"])
def test_no_gzip_if_not_asked_for(accepted: str) -> None:
    """A client that does not read gzip, or refuses it, gets plain text."""
    answer = ask(site_of(), "/metrics", Accept_Encoding=accepted)
    assert "Content-Encoding" not in answer.headers
    assert encode_text(Fishes().collect()) == answer.body


def test_only_the_names_asked_for() -> None:
    """name[] gives the named families only, in one piece."""
    answer = ask(site_of(), "/metrics?name[]=ponds&name[]=no_such_name")
    assert 200 == answer.status
    assert b"# HELP ponds Ponds.\n# TYPE ponds gauge\nponds 1.0\n" == answer.body


def test_scrapes_at_once_are_one() -> None:
    """Whoever asks, by whatever names, the collectors are asked once in a moment."""
    counting = Counting()

    def client(port: int) -> list[bytes]:
        names = ("", "?name[]=ponds", "?name[]=fishes_total", "")
        return [request(port, f"/metrics{name}").body for name in names]

    whole, ponds, fishes, again = serve(site_of(counting), client)
    assert 1 == counting.scrapes
    assert whole == again == fishes + ponds


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready", "/none"])
def test_head(path: str) -> None:
    """HEAD is GET without the body."""
    site = site_of()
    got, head = serve(
        site, lambda port: (request(port, path), request(port, path, "HEAD"))
    )
    assert b"" == head.body
    assert got.status == head.status
    varying = {"Date"}
    assert {k: v for k, v in got.headers.items() if k not in varying} == {
        k: v for k, v in head.headers.items() if k not in varying
    }
    assert str(len(got.body)) == head.headers["Content-Length"]


@pytest.mark.parametrize(
    "path",
    [
        "/metrics/",
        "/METRICS",
        "/metricsx",
        "/x/metrics",
        "//metrics",
        "/-/",
        "/favicon.ico",
        "/../etc/passwd",
        "/%2e%2e/etc/passwd",
        "/<script>alert(1)</script>",
        "/%0d%0aSet-Cookie:%20a=b",
        "/" + "x" * 8000,
    ],
)
def test_other_paths(path: str) -> None:
    """Anything else is 404, and the answer repeats nothing of the request."""
    answer = ask(site_of(), path, Referer="/secret", User_Agent="<b>agent</b>")
    assert 404 == answer.status
    assert PLAIN == answer.headers["Content-Type"]
    assert "Set-Cookie" not in answer.headers
    assert b"404 Not Found\n" == answer.body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/metrics", "/-/ready", "/none"])
def test_other_methods(method: str, path: str) -> None:
    """What would change something is not allowed anywhere."""
    answer = ask(site_of(), path, method)
    assert (405, "GET, HEAD") == (answer.status, answer.headers["Allow"])
    assert b"405 Method Not Allowed\n" == answer.body


def test_unknown_method() -> None:
    """A method that HTTP does not have is refused the same way."""
    assert 405 == ask(site_of(), "/metrics", "BREW").status


@pytest.mark.parametrize("path", ["/deep/path", "/m.trics", "/metrics-2_x~"])
def test_telemetry_path(path: str) -> None:
    """The metrics are at the path that the flag says, taken literally."""
    other = path.replace(".", "e") + "x"
    ours, usual, near, landing = serve(
        site_of(telemetry_path=path),
        lambda port: [request(port, p) for p in (path, "/metrics", other, "/")],
    )
    assert encode_text(Fishes().collect()) == ours.body
    assert (404, 404) == (usual.status, near.status)
    assert f'<a href="{path}">'.encode() in landing.body


def test_landing_page() -> None:
    """The landing page links every page, says the version and may be kept by no one."""
    answer = ask(site_of(), "/")
    for path in ("/metrics", "/-/healthy", "/-/ready"):
        assert f'href="{path}"'.encode() in answer.body
    assert __version__.encode() in answer.body
    assert "no-store" == answer.headers["Cache-Control"]


def test_landing_page_policy() -> None:
    """Our style and script, and nothing else, run on the page; others load nothing."""
    answer = ask(site_of(), "/")
    policy = directives(answer.headers["Content-Security-Policy"])
    text = answer.body.decode()
    for element, directive in (("style", "style-src"), ("script", "script-src")):
        (content,) = re.findall(f"<{element}>(.*?)</{element}>", text, re.DOTALL)
        digest = b64encode(sha256(content.encode()).digest()).decode()
        assert [f"'sha256-{digest}'"] == policy.pop(directive)
    assert {
        "default-src": ["'none'"],
        "connect-src": ["'self'"],
        "img-src": ["data:"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
        "frame-ancestors": ["'none'"],
    } == policy


@pytest.mark.parametrize("path", ["/metrics", "/-/healthy", "/-/ready", "/none"])
def test_other_pages_run_nothing(path: str) -> None:
    """No other answer may load or run anything, whatever a browser makes of it."""
    answer = ask(site_of(), path)
    assert "default-src 'none'" == answer.headers["Content-Security-Policy"]


def directives(policy: str) -> dict[str, list[str]]:
    parts = [part.split() for part in policy.split(";")]
    return {name: values for name, *values in parts}


def test_landing_page_escapes() -> None:
    """Even a path with markup in it cannot leave its link."""
    answer = ask(site_of(telemetry_path='/"><script>'), "/")
    assert b'"/&quot;&gt;&lt;script&gt;"' in answer.body
    assert 1 == answer.body.count(b"<script>")  # our own


def test_viewers_at_once_are_one() -> None:
    """However many look at the landing page, the collectors are asked once."""
    counting = Counting()
    pages = serve(
        site_of(counting), lambda port: [request(port, "/").body for _ in range(5)]
    )
    assert 1 == counting.scrapes
    assert 1 == len(set(pages))


def test_nobody_looks() -> None:
    """A scrape alone asks the collectors no more often for there being a page."""
    counting = Counting()
    serve(site_of(counting), lambda port: request(port, "/metrics"))
    assert 1 == counting.scrapes


def test_landing_page_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """A bug in a collector is a 500 here too; the log has it all."""
    answer = ask(site_of(Failing()), "/")
    assert (500, b"500 Internal Server Error\n") == (answer.status, answer.body)
    assert "the inmost secret" in caplog.text


def test_not_ready() -> None:
    """While a probe is not attached ready says 503, and healthy is still healthy."""
    ready, healthy = serve(
        site_of(ready=False),
        lambda port: (request(port, "/-/ready"), request(port, "/-/healthy")),
    )
    assert (503, b"Not ready: a probe is not attached.\n") == (ready.status, ready.body)
    assert 200 == healthy.status


def test_scrape_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """A bug in a scrape is a 500 that says nothing of it; the log has it all."""
    answer = ask(site_of(Failing()), "/metrics")
    assert (500, b"500 Internal Server Error\n") == (answer.status, answer.body)
    assert "the inmost secret" in caplog.text


@pytest.mark.parametrize(
    "query",
    ["name[]=%ff", "name[]=" + "&name[]=x" * 1000, "name[]=%00", "name[]=", "&;="],
)
def test_hostile_query(query: str) -> None:
    """A query of any bytes is answered, with a 4xx at worst."""
    answer = ask(site_of(), f"/metrics?{query}")
    assert answer.status in (200, 400)
    assert b"Traceback" not in answer.body


@pytest.mark.parametrize(
    "accept", ["application/openmetrics-text;version=abc", "text/plain;version=x"]
)
def test_hostile_accept(accept: str) -> None:
    """An Accept header that makes no sense gets the text format."""
    assert 200 == ask(site_of(), "/metrics", Accept=accept).status


def test_quiet_at_info(caplog: pytest.LogCaptureFixture) -> None:
    """Scrapes, and requests for pages that are not there, leave no line at info."""
    with caplog.at_level(logging.INFO):
        serve(
            site_of(),
            lambda port: [request(port, path) for path in ("/metrics", "/", "/none")],
        )
    assert [] == caplog.records


def test_requests_are_logged_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    """At debug each request has its line: method, path, status, client, seconds."""
    with caplog.at_level(logging.DEBUG, logger="fanotify_exporter"):
        ask(site_of(), "/none?secret=1")
    (line,) = (vars(record) for record in caplog.records if record.msg == "request")
    assert (*("GET", "/none", 404, "127.0.0.1"),) == (
        line["method"],
        line["path"],
        line["status"],
        line["client"],
    )
    assert 0 <= line["seconds"] < 5
