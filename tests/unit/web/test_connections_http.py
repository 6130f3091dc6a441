"""Malformed, oversized, smuggled and damaged requests."""

from __future__ import annotations

import logging
import re
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress

import pytest

from tools.harness.web_clients import mutants
from tools.harness.web_server import example_service, exchange, request, rest_of, serve


NO_RESPONSE = b""
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\n\r\n"


HOSTILE = (
    (b"", NO_RESPONSE),
    (b"\r\n\r\n", BAD_REQUEST),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500, NO_RESPONSE),
    (b"GET\r\n\r\n", BAD_REQUEST),
    (b"GET /metrics HTTP/9.9\r\nHost: a\r\n\r\n", BAD_REQUEST),
    (b"GET /metrics HTTP/1.1\r\n\r\n", BAD_REQUEST),
    (b"GET /metrics HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", BAD_REQUEST),
    (b"GET /metrics HTTP/1.1\r\nHost: <script>\r\n\r\n", BAD_REQUEST),
    (b"GET /<script>\x00\xff HTTP/1.1\r\nHost: a\r\n\r\n", BAD_REQUEST),
    (
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n",
        NO_RESPONSE,
    ),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 17_000 + b"\r\n\r\n", NO_RESPONSE),
    (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", BAD_REQUEST),
    (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n", BAD_REQUEST),
    (
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        BAD_REQUEST,
    ),
    (b"x" * 1_000_000, NO_RESPONSE),
)


def test_hostile_requests() -> None:
    """A malformed request is refused without an echo; the next client is served."""

    def client(port: int) -> list[tuple[bytes, bytes, int]]:
        return [
            (sent, exchange(port, sent), request(port, "/-/healthy").status)
            for sent, _ in HOSTILE
        ]

    assert [(*each, 200) for each in HOSTILE] == serve(example_service(), client)


@pytest.mark.parametrize(
    ("start", "status"),
    [("GET http://elsewhere/metrics", b"404"), ("CONNECT elsewhere:443", b"405")],
)
def test_is_no_proxy(start: str, status: bytes) -> None:
    """A request for another host is refused."""
    sent = f"{start} HTTP/1.1\r\nHost: elsewhere\r\nConnection: close\r\n\r\n".encode()
    received = serve(example_service(), lambda port: exchange(port, sent))
    assert received.startswith(b"HTTP/1.1 " + status)
    assert b"elsewhere" not in received


ASK = b"GET /-/ready HTTP/1.1\r\nHost: a\r\n"
# The request that a smuggling test hides behind another.
LAST = b"GET /-/healthy HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
CHUNKED = ASK + b"Transfer-Encoding: chunked\r\n\r\n"


def statuses(received: bytes) -> list[int]:
    """Return the status of each response in *received*."""
    assert re.match(rb"HTTP/1\.1 |$", received)
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d+) ", received)]


SMUGGLING = (
    ASK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ASK + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    ASK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ASK + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    ASK + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    ASK + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    ASK + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    ASK + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n",
    ASK + b"X: a\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ASK + b"Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello",
    ASK + b"Content-Length: 5, 0\r\n\r\nhello",
    ASK + b"Content-Length: +5\r\n\r\nhello",
    ASK + b"Content-Length: 0x5\r\n\r\nhello",
    ASK + b"Content-Length: 0_5\r\n\r\nhello",
    ASK + b"Content-Length:\r\n\r\n",
    CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n",
    CHUNKED + b"+5\r\nhello\r\n0\r\n\r\n",
    CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n",
    CHUNKED + b"5 \r\nhello\r\n0\r\n\r\n",
    CHUNKED + b"5;a=b\r\nhello\r\n0\r\n\r\n",
    CHUNKED + b"5\nhello\n0\n\n",
    CHUNKED + b"5\r\nhelloXX0\r\n\r\n",
    CHUNKED + b"0\r\nX: trailer\r\n\r\n",
    CHUNKED + b"ffffffffffffffff\r\n",
    ASK + b"X: a\0b\r\n\r\n",
    ASK + b"X Y: name\r\n\r\n",
    ASK + b": no name\r\n\r\n",
    ASK + b"no colon\r\n\r\n",
    b"GET  /-/ready  HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET\t/-/ready\tHTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /-/ready\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
)


def test_smuggling() -> None:
    """A request whose end is ambiguous gets one 400, and the connection closes."""

    def client(port: int) -> list[tuple[bytes, list[int]]]:
        return [(sent, statuses(exchange(port, sent + LAST))) for sent in SMUGGLING]

    expected = [(sent, [400]) for sent in SMUGGLING]
    assert expected == serve(example_service(), client)


@pytest.mark.parametrize(
    "sent",
    [
        ASK + b"\r\n",
        ASK + b"Content-Length: 5\r\n\r\nhello",
        ASK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        CHUNKED + b"5\r\nhello\r\n0\r\n\r\n",
        ASK + b"Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        ASK.replace(b"\r\n", b"\n") + b"\n",
    ],
)
def test_pipelining(sent: bytes) -> None:
    """Requests with a clear end are answered in order over one connection."""
    answers = serve(example_service(), lambda port: exchange(port, sent * 20 + LAST))
    assert [200] * 21 == statuses(answers)
    assert 20 == answers.count(b"Ready.\n")
    assert answers.endswith(b"Healthy.\n")


def send_all(port: int, batch: Sequence[bytes]) -> Iterator[bytes]:
    """Send each of *batch* over a connection of its own; yield the responses."""
    with ExitStack() as opened:
        clients = []
        for sent in batch:
            client = socket.create_connection(("127.0.0.1", port), timeout=10)
            clients.append(opened.enter_context(client))
            client.sendall(sent)
        # The first of these is read after the batch. The scrape of the second begins
        # after those of the batch; a client that shuts down before gives its scrape up.
        assert [200, 200] == [request(port, "/metrics").status for _ in range(2)]
        for client in clients:
            with suppress(OSError):  # the server has closed
                client.shutdown(socket.SHUT_WR)
            yield rest_of(client)


SCRAPE = (
    b"GET /metrics?name[]=ponds HTTP/1.1\r\nHost: a:1\r\nConnection: close\r\n"
    b"Accept: text/plain;q=0.5\r\nAccept-Encoding: gzip;q=1.0\r\n\r\n"
)


def test_damaged_requests(caplog: pytest.LogCaptureFixture) -> None:
    """A request with a changed byte gets a response or none, and no log line."""

    def client(port: int) -> set[int]:
        answers = send_all(port, list(mutants(SCRAPE, 2)))
        return {status for received in answers for status in statuses(received)}

    threads = threading.active_count()
    with caplog.at_level(logging.INFO):
        found = serve(example_service(), client)
    assert {200, 400} <= found <= {100, 200, 400, 404, 405}
    assert [] == caplog.records
    assert threading.active_count() <= threads + 2
