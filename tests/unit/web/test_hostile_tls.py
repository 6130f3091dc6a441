"""Handshakes that stall, end or make no sense, while a good client scrapes."""

from __future__ import annotations

import logging
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest

from fanotify_exporter.web.access import AccessControl
from tools.harness.web_clients import ASK, batches, connect, mutants
from tools.harness.web_server import Answer, Huge, request, rest_of, serve, site_of


@pytest.fixture
def door(web_examples: Path) -> AccessControl:
    return AccessControl(web_examples / "tls.good.yml")


@pytest.fixture
def trusting(web_examples: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=web_examples / "ca.pem")


def client_hello(context: ssl.SSLContext) -> bytes:
    """Return the first bytes that a client of *context* sends."""
    sent = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return sent.read()


def test_stalled_handshakes(door: AccessControl, trusting: ssl.SSLContext) -> None:
    """Who stops at any byte of a handshake delays no one else's."""
    hello = client_hello(trusting)

    def client(port: int) -> float:
        with ExitStack() as opened:
            for place in range(0, len(hello), 8):
                stalled = opened.enter_context(connect(port))
                stalled.sendall(hello[:place])
            started = time.monotonic()
            assert 200 == request(port, "/metrics", context=trusting).status
            return time.monotonic() - started

    assert serve(site_of(), client, door) < 1


def test_every_byte_of_a_handshake(
    door: AccessControl,
    trusting: ssl.SSLContext,
    fuzz: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A garbled handshake ends that connection, with no word in the log."""
    hello = client_hello(trusting)

    def client(port: int) -> Answer:
        for batch in batches(mutants(hello, fuzz, seed=42), 64):
            with ExitStack() as opened:
                for sent in batch:
                    garbled = opened.enter_context(connect(port))
                    garbled.sendall(sent)
                request(port, "/-/healthy", context=trusting)
        return request(port, "/metrics", context=trusting)

    with caplog.at_level(logging.INFO):
        assert 200 == serve(site_of(), client, door).status
    assert [] == caplog.records


@contextmanager
def handshaken(port: int, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    with context.wrap_socket(connect(port), server_hostname="localhost") as tls:
        yield tls


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x17\x03\x03\x00\x20" + b"x" * 32,
        b"\x17\x03\x03\xff\xff",
        b"\x15\x03\x03\x00\x02\x02\x28",
        b"\x16\x03\x03\x00\x04\x00\x00\x00\x00",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0" * 70_000,
    ],
)
@pytest.mark.parametrize(
    "before",
    [b"", ASK, ASK[:20], ASK.replace(b"/-/healthy", b"/metrics")],
    ids=["", "asked", "asking", "scraping"],
)
def test_garbage_after_a_handshake(
    door: AccessControl,
    trusting: ssl.SSLContext,
    caplog: pytest.LogCaptureFixture,
    before: bytes,
    garbage: bytes,
) -> None:
    """Bytes that no key encrypted end the connection, with no word in the log."""

    def client(port: int) -> Answer:
        for _ in range(3):
            with handshaken(port, trusting) as tls:
                if before:
                    tls.sendall(before)
                with closing(socket.socket(fileno=tls.detach())) as plain:
                    plain.settimeout(10)
                    with suppress(OSError):  # closed while we were still sending
                        plain.sendall(garbage)
                    rest_of(plain)
        return request(port, "/-/healthy", context=trusting)

    with caplog.at_level(logging.INFO):
        assert 200 == serve(site_of(Huge()), client, door).status
    assert [] == caplog.records


@pytest.mark.parametrize("reset", [False, True])
def test_clients_that_leave(
    door: AccessControl,
    trusting: ssl.SSLContext,
    caplog: pytest.LogCaptureFixture,
    reset: bool,  # noqa: FBT001
) -> None:
    """Ending in the middle, politely or not, costs the log no line."""
    hello = client_hello(trusting)

    def client(port: int) -> Answer:
        for place in (0, 1, 5, len(hello) // 2, len(hello)):
            with connect(port) as leaving:
                linger = struct.pack("ii", int(reset), 0)
                leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                leaving.sendall(hello[:place])
        for _ in range(5):
            with handshaken(port, trusting) as tls:
                tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                tls.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        return request(port, "/metrics", context=trusting)

    with caplog.at_level(logging.INFO):
        assert 200 == serve(site_of(), client, door).status
    assert [] == caplog.records
