"""Clients that are slow, hostile, many or gone, and the good one among them."""

from __future__ import annotations

import logging
import os
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest

from fanotify_exporter.web import connections
from tools.harness.web_clients import ASK, SECONDS, connect, is_served
from tools.harness.web_server import (
    HUGE,
    Answer,
    Huge,
    Waiting,
    request,
    rest_of,
    serve,
    site_of,
)


@contextmanager
def crowd(port: int, *hosts: str) -> Iterator[list[socket.socket]]:
    """Connect from each of *hosts*, in that order, and be served once."""
    clients = []
    with ExitStack() as opened:
        for host in hosts:
            clients.append(opened.enter_context(connect(port, host)))
            assert is_served(clients[-1])
        yield clients


def test_slow_scrape_delays_no_one() -> None:
    """While a scrape waits for the kernel, other pages answer at once."""
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

    meanwhile, scrapes = serve(site_of(waiting), client)
    assert 200 == meanwhile.status
    assert [200] == [scrape.status for scrape in scrapes]


def test_client_that_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that takes no more is cut off when its time is up; others are not."""
    monkeypatch.setattr(connections, "WRITE_SECONDS", 0.3)

    def client(port: int) -> tuple[Answer, float]:
        with connect(port, room=4096) as connection:
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
            started = time.monotonic()
            assert connection.recv(16)
            other = request(port, "/-/healthy")
            assert is_cut_off(connection)
            return other, time.monotonic() - started

    other, seconds = serve(site_of(Huge()), client)
    assert 200 == other.status
    assert 0.3 <= seconds < 3


def is_cut_off(client: socket.socket) -> bool:
    """Wait, without reading, until the server resets the connection."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            return True
        time.sleep(0.01)
    return False


def test_client_that_only_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that sends requests without end and reads nothing is cut off too."""
    monkeypatch.setattr(connections, "WRITE_SECONDS", 0.3)

    def client(port: int) -> None:
        with connect(port, room=4096) as connection:
            while True:
                connection.sendall(ASK * 100)

    with pytest.raises(ConnectionError):
        serve(site_of(), client)


def test_large_answers_are_in_memory_once() -> None:
    """Clients that take their time over an answer of 12 MB share its bytes."""
    clients = 20

    def client(port: int) -> float:
        request(port, "/metrics")
        with ExitStack() as opened:
            before = resident()
            for _ in range(clients):
                slow = opened.enter_context(connect(port, room=4096))
                slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
                assert slow.recv(16)
            return resident() - before

    assert serve(site_of(Huge()), client) < 3 * HUGE


def resident() -> int:
    """Return this process's resident memory, bytes."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize()


def test_client_that_leaves(caplog: pytest.LogCaptureFixture) -> None:
    """A client that hangs up in the middle of its scrape is no error."""
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
        assert 200 == serve(site_of(waiting), client).status
    assert [] == caplog.records


def test_half_closed(caplog: pytest.LogCaptureFixture) -> None:
    """Who sends no more is gone: its connection is closed, and its place is free."""

    def client(port: int) -> list[bytes]:
        got = []
        for sent in (b"", ASK[:9], ASK[:-2], ASK):
            with connect(port) as connection:
                connection.sendall(sent)
                connection.shutdown(socket.SHUT_WR)
                got.append(rest_of(connection))
        return got

    with caplog.at_level(logging.INFO):
        assert [b"", b"", b""] == serve(site_of(), client)[:3]
    assert [] == caplog.records


def test_the_longest_waiting_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit a new connection is served, and the idlest one is closed."""
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 3)

    def client(port: int) -> list[bool]:
        with crowd(port, *["127.0.0.1"] * 3) as clients:
            assert is_served(clients[0])
            clients.append(connect(port))
            assert is_served(clients[3])
            served = [is_served(each) for each in clients]
            clients[3].close()
            return served

    assert [True, False, True, True] == serve(site_of(), client)


def test_a_crowd_pushes_out_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many connect from one address, an idle client elsewhere stays."""
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 5)

    def client(port: int) -> list[bool]:
        with (
            crowd(port, "127.0.0.1", *["127.0.0.2"] * 4) as clients,
            crowd(port, *["127.0.0.2"] * 20),
        ):
            return [is_served(each) for each in clients]

    assert [True, False, False, False, False] == serve(site_of(), client)


def test_who_is_owed_an_answer_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scrape in the making outlives any number of newer idle connections."""
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 3)
    waiting = Waiting()

    def client(port: int) -> bytes:
        with connect(port) as scraper:
            scraper.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
            assert waiting.started.wait(SECONDS)
            with crowd(port, *["127.0.0.1"] * 10):
                waiting.may_end.set()
                return scraper.recv(15)

    assert b"HTTP/1.1 200 OK" == serve(site_of(waiting), client)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:0:1::1", "2001:db8:0:1:f:f:f:f", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%lo", "fe80::2%lo", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
    ],
)
def test_sites(one: str, other: str, same: bool) -> None:  # noqa: FBT001
    """An IPv4 address is a place of its own; of IPv6 it takes another /64."""
    assert same == (connections.site_of(one) == connections.site_of(other))


def test_out_of_descriptors(caplog: pytest.LogCaptureFixture) -> None:
    """With no descriptor left, the next connection gets that of the idlest one."""

    def client(port: int) -> list[bool]:
        with (
            crowd(port, *["127.0.0.1"] * 2) as clients,
            socket.socket() as last,
            no_descriptors(),
        ):
            last.settimeout(SECONDS)
            last.connect(("127.0.0.1", port))
            return [is_served(each) for each in (last, *reversed(clients))]

    with caplog.at_level(logging.INFO):
        assert [True, True, False] == serve(site_of(), client)
    assert [] == caplog.records


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Let this process open no more files; what it closes, it may open again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = max(int(fd.name) for fd in Path("/proc/self/fd").iterdir())
    with ExitStack() as opened:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most + 1, hard))
        opened.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        with suppress(OSError):  # EMFILE
            while True:
                opened.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        yield


def test_keeps_connections_alive() -> None:
    """A scraper's next scrape comes over the same connection."""

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

    assert [200, 404, 200] == serve(site_of(), client)


def test_stops_with_a_connection_open() -> None:
    """An idle keep-alive connection does not hold the exporter back."""
    started = 0.0
    connections = []

    def client(port: int) -> None:
        nonlocal started
        connection = socket.create_connection(("127.0.0.1", port), timeout=10)
        connections.append(connection)
        connection.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        started = time.monotonic()

    serve(site_of(), client)
    assert time.monotonic() - started < 1
    assert b"" == connections[0].recv(1)
    connections[0].close()
