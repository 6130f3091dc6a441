"""Routes, methods and log lines of all paths."""

from __future__ import annotations

import logging

import pytest

from tools.harness.exposition import encode_text
from tools.harness.web_server import (
    CONSTANT,
    Fishes,
    ask,
    example_service,
    request,
    serve,
)


TEXT = "text/plain; version=0.0.4; charset=utf-8"
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
    """Each path has its content type, and forbids browsers to guess another."""
    answer = ask(example_service(), path)
    assert 200 == answer.status
    assert content_type == answer.headers["Content-Type"]
    assert "nosniff" == answer.headers["X-Content-Type-Options"]
    assert not {"Server", "Etag"} & answer.headers.keys()
    assert answer.body.startswith(start)


@pytest.mark.parametrize("path", ["/deep/path", "/m.trics", "/metrics-2_x~"])
def test_telemetry_path(path: str) -> None:
    """The metrics are at --web.telemetry-path, which is not taken as a pattern."""
    other = path.replace(".", "e") + "x"
    chosen, default, similar, landing = serve(
        example_service(telemetry_path=path),
        lambda port: [
            request(port, p) for p in (f"{path}?{CONSTANT}", "/metrics", other, "/")
        ],
    )
    assert encode_text(Fishes().collect()) == chosen.body
    assert (404, 404) == (default.status, similar.status)
    assert f'<a href="{path}">'.encode() in landing.body


def test_quiet_at_info(caplog: pytest.LogCaptureFixture) -> None:
    """At level info no request is logged, not even a 404."""
    with caplog.at_level(logging.INFO):
        serve(
            example_service(),
            lambda port: [request(port, path) for path in ("/metrics", "/", "/none")],
        )
    assert [] == caplog.records


def test_requests_are_logged_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    """At level debug each request leaves a line, without its query."""
    with caplog.at_level(logging.DEBUG, logger="fanotify_exporter"):
        ask(example_service(), "/none?secret=1")
    (line,) = (vars(record) for record in caplog.records if record.msg == "request")
    assert (*("GET", "/none", 404, "127.0.0.1"),) == (
        line["method"],
        line["path"],
        line["status"],
        line["client"],
    )
    assert 0 <= line["seconds"] < 5
