"""Bytes that are no request, or two that look like one: refused, and no one suffers."""

from __future__ import annotations

import logging
import re
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress

import pytest

from tools.harness.web_clients import batches, mutants
from tools.harness.web_server import exchange, request, rest_of, serve, site_of


NOTHING = b""
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"", NOTHING),
        (b"\r\n\r\n", BAD_REQUEST),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500, NOTHING),
        (b"GET\r\n\r\n", BAD_REQUEST),
        (b"GET /metrics HTTP/9.9\r\nHost: a\r\n\r\n", BAD_REQUEST),
        (b"GET /metrics HTTP/1.1\r\n\r\n", BAD_REQUEST),
        (b"GET /metrics HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", BAD_REQUEST),
        (b"GET /metrics HTTP/1.1\r\nHost: <script>\r\n\r\n", BAD_REQUEST),
        (b"GET /<script>\x00\xff HTTP/1.1\r\nHost: a\r\n\r\n", BAD_REQUEST),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n",
            NOTHING,
        ),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", BAD_REQUEST),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n", BAD_REQUEST),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            BAD_REQUEST,
        ),
        (b"x" * 1_000_000, NOTHING),
    ],
)
def test_hostile_requests(sent: bytes, answer: bytes) -> None:
    """What is no request is refused without a word of it; the next is served."""
    received, after = serve(
        site_of(), lambda port: (exchange(port, sent), request(port, "/-/healthy"))
    )
    assert answer == received
    assert after.status == 200


@pytest.mark.parametrize(
    ("start", "status"),
    [("GET http://elsewhere/metrics", b"404"), ("CONNECT elsewhere:443", b"405")],
)
def test_is_no_proxy(start: str, status: bytes) -> None:
    """A request that is meant for another host is refused."""
    sent = f"{start} HTTP/1.1\r\nHost: elsewhere\r\nConnection: close\r\n\r\n".encode()
    received = serve(site_of(), lambda port: exchange(port, sent))
    assert received.startswith(b"HTTP/1.1 " + status)
    assert b"elsewhere" not in received


ASK = b"GET /-/ready HTTP/1.1\r\nHost: a\r\n"
LAST = b"GET /-/healthy HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
"""Smuggled behind what may or may not end before it."""
CHUNKED = ASK + b"Transfer-Encoding: chunked\r\n\r\n"


def statuses(received: bytes) -> list[int]:
    """Return the status of each answer; what is no answer fails."""
    assert re.match(rb"HTTP/1\.1 |$", received)
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d+) ", received)]


@pytest.mark.parametrize(
    "sent",
    [
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
    ],
)
def test_smuggling(sent: bytes) -> None:
    """Where two readers could see different ends, the connection ends: one 400."""
    assert [400] == statuses(serve(site_of(), lambda port: exchange(port, sent + LAST)))


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
    """What has one end is one request, and the next one is answered after it."""
    answers = serve(site_of(), lambda port: exchange(port, sent * 20 + LAST))
    assert [200] * 21 == statuses(answers)
    assert 20 == answers.count(b"Ready.\n")
    assert answers.endswith(b"Healthy.\n")


def send_all(port: int, batch: Sequence[bytes]) -> Iterator[bytes]:
    """Send each of *batch* on a connection of its own; yield what came back."""
    with ExitStack() as opened:
        clients = []
        for sent in batch:
            client = socket.create_connection(("127.0.0.1", port), timeout=10)
            clients.append(opened.enter_context(client))
            client.sendall(sent)
        # Once these are answered, so is what came before.
        assert [200, 200] == [request(port, "/-/healthy").status for _ in range(2)]
        for client in clients:
            with suppress(OSError):  # closed by the server
                client.shutdown(socket.SHUT_WR)
            yield rest_of(client)


SCRAPE = (
    b"GET /metrics?name[]=ponds HTTP/1.1\r\nHost: a:1\r\nConnection: close\r\n"
    b"Accept: text/plain;q=0.5\r\nAccept-Encoding: gzip;q=1.0\r\n\r\n"
)
FORM = b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\nvalue\r\n--b--\r\n"
POST = (
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n"
    b"Content-Type: multipart/form-data; boundary=b\r\n\r\n" % len(FORM)
)


@pytest.mark.parametrize(
    "original",
    [SCRAPE, CHUNKED + b"5\r\nhello\r\n0\r\n\r\n" + LAST, POST + FORM + LAST],
    ids=["scrape", "chunked", "form"],
)
def test_every_byte(
    original: bytes, fuzz: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is sent is answered properly or not at all, with no word in the log."""
    known = {100, 200, 400, 404, 405}

    def client(port: int) -> set[int]:
        found: set[int] = set()
        for batch in batches(mutants(original, fuzz, seed=23), 64):
            for received in send_all(port, batch):
                found.update(statuses(received))
        return found

    threads = threading.active_count()
    with caplog.at_level(logging.INFO):
        found = serve(site_of(), client)
    assert {200, 400} <= found <= known
    assert [] == caplog.records
    assert threading.active_count() <= threads + 2
