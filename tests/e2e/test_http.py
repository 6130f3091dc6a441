"""Responses of the exporter over HTTP."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Iterator

import pytest

from tools.harness.serving import Exporter, samples, serving


@pytest.fixture(scope="module")
def shared_exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    with serving(tmp_path_factory.mktemp("http") / "exporter.log") as exporter:
        yield exporter


@pytest.fixture
def exporter(shared_exporter: Exporter) -> Iterator[Exporter]:
    """Return the shared exporter; print its log into the report of each failure."""
    yield shared_exporter
    print(*shared_exporter.process.lines())


def attached(body: bytes) -> set[float]:
    """Return the values of fanotify_exporter_probe_attached."""
    return {
        sample.value
        for sample in samples(body.decode(), "fanotify_exporter_probe_attached")
    }


def test_gzip(exporter: Exporter) -> None:
    """A client that accepts gzip gets gzip; another client gets plain text."""
    zipped = exporter.get(headers={"Accept-Encoding": "gzip"})
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert attached(gzip.decompress(zipped.body)) == {1}

    plain = exporter.get(headers={"Accept-Encoding": "identity"})
    assert plain.headers["Content-Encoding"] is None
    assert attached(plain.body) == {1}


@pytest.mark.parametrize("path", ["/metrics", "/", "/-/healthy", "/-/ready"])
def test_head(exporter: Exporter, path: str) -> None:
    """HEAD has the status and the content type of GET, and no body."""
    got, head = exporter.get(path), exporter.get(path, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Type"] == got.headers["Content-Type"]
    assert got.body


def test_landing_page_links_the_metrics(exporter: Exporter) -> None:
    """The page at / links to /metrics."""
    page = exporter.get("/")
    assert page.status == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert b'href="/metrics"' in page.body


@pytest.mark.parametrize("path", ["/-/healthy", "/-/ready"])
def test_health_and_readiness(exporter: Exporter, path: str) -> None:
    """An exporter with attached probes is healthy and ready."""
    assert exporter.get(path).status == 200


@pytest.mark.parametrize("path", ["/metric", "/metrics/", "/-/", "/%2e%2e/etc/passwd"])
def test_other_paths_are_not_found(exporter: Exporter, path: str) -> None:
    """Other paths get 404, and the body does not repeat the path."""
    answer = exporter.get(path)
    assert answer.status == 404
    assert path.encode() not in answer.body


def test_metrics_are_read_only(exporter: Exporter) -> None:
    """POST gets 405."""
    assert exporter.get(method="POST").status == 405


def test_a_client_that_disconnects_early(exporter: Exporter) -> None:
    """A disconnect before the response logs nothing, and other clients are served."""
    host, _, port = exporter.addresses[0].rpartition(":")
    for _ in range(10):
        with socket.create_connection((host, int(port))) as client:
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
            assert client.recv(1)  # of the first response; nobody reads the second
    assert exporter.get().status == 200
    assert exporter.later_lines() == []
