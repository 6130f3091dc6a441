"""Errors, methods and headers that all handlers share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from tools.harness.web_server import CONSTANT, Answer, example_service, request, serve


PLAIN = "text/plain; charset=utf-8"


ALL_PATHS = ("/", f"/metrics?{CONSTANT}", "/-/healthy", "/-/ready", "/none")

OTHER_PATHS = (
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
)


def answers(paths: Sequence[str], method: str = "GET", **headers: str) -> list[Answer]:
    """Request each of *paths* from one server."""
    return serve(
        example_service(),
        lambda port: [request(port, path, method, None, **headers) for path in paths],
    )


def test_head() -> None:
    """The response to HEAD is the one to GET without the body."""
    for got, head in zip(answers(ALL_PATHS), answers(ALL_PATHS, "HEAD"), strict=True):
        assert b"" == head.body
        assert got.status == head.status
        assert without_date(got.headers) == without_date(head.headers)
        assert str(len(got.body)) == head.headers["Content-Length"]


def without_date(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name != "Date"}


def test_other_paths() -> None:
    """Other paths are 404, and the response repeats nothing of the request."""
    for answer in answers(OTHER_PATHS, Referer="/secret", User_Agent="<b>agent</b>"):
        assert 404 == answer.status
        assert PLAIN == answer.headers["Content-Type"]
        assert "Set-Cookie" not in answer.headers
        assert b"404 Not Found\n" == answer.body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods(method: str) -> None:
    """No path allows other methods than GET and HEAD."""
    for answer in answers(ALL_PATHS, method):
        assert (405, "GET, HEAD") == (answer.status, answer.headers["Allow"])
        assert b"405 Method Not Allowed\n" == answer.body


def test_unknown_method() -> None:
    """A method that HTTP does not define is refused with 405."""
    assert [405] == [answer.status for answer in answers(["/metrics"], "BREW")]


def test_policy() -> None:
    """The policy forbids a browser to load or run anything, except on the page at /."""
    policies = [each.headers["Content-Security-Policy"] for each in answers(ALL_PATHS)]
    assert ["default-src 'none'"] * 4 == policies[1:]
