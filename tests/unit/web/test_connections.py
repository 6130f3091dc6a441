"""Slow, idle and disconnecting clients, and the stop."""

from __future__ import annotations

import logging
import resource
import socket
import threading
import time
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

import pytest

from fanotify_exporter.web import connections, streams
from tools.harness.web_clients import ASK, SECONDS, connect
from tools.harness.web_server import (
    HUGE,
    Answer,
    Huge,
    Waiting,
    example_service,
    request,
    rest_of,
    serve,
)


def test_slow_scrape_delays_no_other_request() -> None:
    """While a scrape blocks its thread, other paths are answered at once."""
    waiting = Waiting()

    def client(port: int) -> tuple[Answer, list[Answer]]:
        scrapes: list[Answer] = []
        scraper = threading.Thread(
            target=lambda: scrapes.append(request(port, "/metrics"))
        )
        scraper.start()
        assert waiting.started.wait(5)
        meanwhile = request(port, "/-/healthy")
        assert [] == scrapes
        waiting.may_end.set()
        scraper.join()
        return meanwhile, scrapes

    meanwhile, scrapes = serve(example_service(waiting), client)
    assert 200 == meanwhile.status
    assert [200] == [scrape.status for scrape in scrapes]


def test_client_that_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that stops reading is aborted after WRITE_SECONDS; others are not."""
    monkeypatch.setattr(connections, "WRITE_SECONDS", 0.1)

    def client(port: int) -> tuple[Answer, float]:
        with connect(port, buffer=4096) as connection:
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
            started = time.monotonic()
            assert connection.recv(16)
            other = request(port, "/-/healthy")
            assert is_aborted(connection)
            return other, time.monotonic() - started

    other, seconds = serve(example_service(Huge()), client)
    assert 200 == other.status
    assert 0.1 <= seconds < 3


def is_aborted(client: socket.socket) -> bool:
    """Wait, without reading, until the server resets the connection."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            return True
        time.sleep(0.01)
    return False


def test_client_that_only_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that sends requests without end and reads nothing is aborted, too."""
    monkeypatch.setattr(connections, "WRITE_SECONDS", 0.1)
    monkeypatch.setattr(streams, "SEND_BUFFER_BYTES", 4096)

    def client(port: int) -> None:
        with connect(port, buffer=4096) as connection:
            while True:
                connection.sendall(ASK * 100)

    with pytest.raises(ConnectionError):
        serve(example_service(), client)


def test_large_answers_are_in_memory_once() -> None:
    """Slow clients of a response of 12 MB share its bytes."""
    clients = 20

    def client(port: int) -> float:
        request(port, "/metrics")
        with ExitStack() as opened:
            before = resident()
            slow = [
                opened.enter_context(connect(port, buffer=4096)) for _ in range(clients)
            ]
            for each in slow:
                each.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
            assert all(each.recv(16) for each in slow)
            return resident() - before

    assert serve(example_service(Huge()), client) < 3 * HUGE


def resident() -> int:
    """Return this process's resident memory, bytes."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize()


def test_client_that_leaves(caplog: pytest.LogCaptureFixture) -> None:
    """A client that disconnects during its scrape causes no log line."""
    waiting = Waiting()

    def client(port: int) -> Answer:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
            assert waiting.started.wait(5)
        # The server has seen the end of the connection before the scrape ends.
        assert 200 == request(port, "/-/healthy").status
        waiting.may_end.set()
        return request(port, "/metrics")

    with caplog.at_level(logging.INFO):
        assert 200 == serve(example_service(waiting), client).status
    assert [] == caplog.records


def test_half_closed(caplog: pytest.LogCaptureFixture) -> None:
    """A client that shuts down its sending side is disconnected."""

    def client(port: int) -> list[bytes]:
        got = []
        for sent in (b"", ASK[:9], ASK[:-2], ASK):
            with connect(port) as connection:
                connection.sendall(sent)
                connection.shutdown(socket.SHUT_WR)
                got.append(rest_of(connection))
        return got

    with caplog.at_level(logging.INFO):
        assert [b"", b"", b""] == serve(example_service(), client)[:3]
    assert [] == caplog.records


def test_keep_alive() -> None:
    """Several requests use one connection, also after a 404."""

    def client(port: int) -> list[int]:
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        connection.auto_open = False
        connection.connect()
        statuses = []
        for path in ("/metrics", "/none", "/metrics"):
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
        connection.close()
        return statuses

    assert [200, 404, 200] == serve(example_service(), client)


def test_stop_with_an_open_connection() -> None:
    """An idle connection does not delay the stop."""
    started = 0.0
    connections = []

    def client(port: int) -> None:
        nonlocal started
        connection = socket.create_connection(("127.0.0.1", port), timeout=10)
        connections.append(connection)
        connection.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        started = time.monotonic()

    serve(example_service(), client)
    assert time.monotonic() - started < 1
    assert b"" == connections[0].recv(1)
    connections[0].close()
