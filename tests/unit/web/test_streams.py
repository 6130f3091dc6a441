"""TLS clients that stall, disconnect, or send garbage."""

from __future__ import annotations

import logging
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from ssl import SSLContext

import pytest

from fanotify_exporter.web.access import AccessControl
from tools.harness.certificates import trusting
from tools.harness.web_clients import ASK, connect, mutants
from tools.harness.web_server import (
    Answer,
    Huge,
    example_service,
    request,
    rest_of,
    serve,
)


@pytest.fixture
def access(web_examples: Path) -> AccessControl:
    return AccessControl(web_examples / "tls.good.yml")


@pytest.fixture
def client_context(web_examples: Path) -> SSLContext:
    return trusting(web_examples)


def client_hello(context: SSLContext) -> bytes:
    """Return the first bytes that a client of *context* sends."""
    sent = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return sent.read()


def test_stalled_handshakes(access: AccessControl, client_context: SSLContext) -> None:
    """Clients that stall during their handshake delay no other client."""
    hello = client_hello(client_context)

    def client(port: int) -> float:
        with ExitStack() as opened:
            for place in range(0, len(hello), 8):
                stalled = opened.enter_context(connect(port))
                stalled.sendall(hello[:place])
            started = time.monotonic()
            assert 200 == request(port, "/metrics", context=client_context).status
            return time.monotonic() - started

    assert serve(example_service(), client, access) < 1


def test_damaged_handshakes(
    access: AccessControl, client_context: SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    """A handshake with a changed byte ends its connection, without a log line."""
    hello = client_hello(client_context)

    def client(port: int) -> Answer:
        with ExitStack() as opened:
            for sent in mutants(hello, 10):
                damaged = opened.enter_context(connect(port))
                damaged.sendall(sent)
            return request(port, "/metrics", context=client_context)

    with caplog.at_level(logging.INFO):
        assert 200 == serve(example_service(), client, access).status
    assert [] == caplog.records


@contextmanager
def handshaken(port: int, context: SSLContext) -> Iterator[ssl.SSLSocket]:
    with context.wrap_socket(connect(port), server_hostname="localhost") as tls:
        yield tls


GARBAGE = (
    b"\x17\x03\x03\x00\x20" + b"x" * 32,
    b"\x17\x03\x03\xff\xff",
    b"\x15\x03\x03\x00\x02\x02\x28",
    b"\x16\x03\x03\x00\x04\x00\x00\x00\x00",
    b"GET / HTTP/1.1\r\n\r\n",
    b"\0" * 70_000,
)


@pytest.mark.parametrize(
    "before",
    [b"", ASK, ASK[:20], ASK.replace(b"/-/healthy", b"/metrics")],
    ids=["", "request", "part", "scrape"],
)
def test_garbage_after_a_handshake(
    access: AccessControl,
    client_context: SSLContext,
    caplog: pytest.LogCaptureFixture,
    before: bytes,
) -> None:
    """Bytes that are not encrypted end the connection, without a log line."""

    def client(port: int) -> Answer:
        for garbage in GARBAGE:
            with handshaken(port, client_context) as tls:
                tls.sendall(before)
                with closing(socket.socket(fileno=tls.detach())) as plain:
                    plain.settimeout(10)
                    with suppress(OSError):  # the server may close first
                        plain.sendall(garbage)
                    rest_of(plain)
        return request(port, "/-/healthy", context=client_context)

    with caplog.at_level(logging.INFO):
        assert 200 == serve(example_service(Huge()), client, access).status
    assert [] == caplog.records


@pytest.mark.parametrize("reset", [False, True])
def test_clients_that_leave(
    access: AccessControl,
    client_context: SSLContext,
    caplog: pytest.LogCaptureFixture,
    reset: bool,  # noqa: FBT001
) -> None:
    """Disconnects and resets at any time cause no log line."""
    hello = client_hello(client_context)

    def client(port: int) -> Answer:
        for place in (0, 1, 5, len(hello) // 2, len(hello)):
            with connect(port) as leaving:
                linger = struct.pack("ii", int(reset), 0)
                leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                leaving.sendall(hello[:place])
        for _ in range(5):
            with handshaken(port, client_context) as tls:
                tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                tls.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        return request(port, "/metrics", context=client_context)

    with caplog.at_level(logging.INFO):
        assert 200 == serve(example_service(), client, access).status
    assert [] == caplog.records
