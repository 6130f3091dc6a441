"""Errors, methods and headers that all handlers share."""

from __future__ import annotations

import pytest

from tools.harness.web_server import ask, example_service, request, serve


PLAIN = "text/plain; charset=utf-8"


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready", "/none"])
def test_head(path: str) -> None:
    """The response to HEAD is the one to GET without the body."""
    service = example_service()
    got, head = serve(
        service, lambda port: (request(port, path), request(port, path, "HEAD"))
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
    """Other paths are 404, and the response repeats nothing of the request."""
    answer = ask(example_service(), path, Referer="/secret", User_Agent="<b>agent</b>")
    assert 404 == answer.status
    assert PLAIN == answer.headers["Content-Type"]
    assert "Set-Cookie" not in answer.headers
    assert b"404 Not Found\n" == answer.body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/metrics", "/-/ready", "/none"])
def test_other_methods(method: str, path: str) -> None:
    """No path allows other methods than GET and HEAD."""
    answer = ask(example_service(), path, method)
    assert (405, "GET, HEAD") == (answer.status, answer.headers["Allow"])
    assert b"405 Method Not Allowed\n" == answer.body


def test_unknown_method() -> None:
    """A method that HTTP does not define is refused with 405."""
    assert 405 == ask(example_service(), "/metrics", "BREW").status


@pytest.mark.parametrize("path", ["/metrics", "/-/healthy", "/-/ready", "/none"])
def test_policy(path: str) -> None:
    """The policy of other paths forbids a browser to load or run anything."""
    answer = ask(example_service(), path)
    assert "default-src 'none'" == answer.headers["Content-Security-Policy"]
