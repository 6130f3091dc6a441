"""Evictions: which connection is closed for a new one."""

from __future__ import annotations

import logging
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tools.harness.web_clients import SECONDS, connect, is_served
from tools.harness.web_server import Waiting, example_service, serve


@contextmanager
def connected(port: int, *hosts: str) -> Iterator[list[socket.socket]]:
    """Connect from each of *hosts* in that order, and make one request on each."""
    clients = []
    with ExitStack() as opened:
        for host in hosts:
            clients.append(opened.enter_context(connect(port, host)))
            assert is_served(clients[-1])
        yield clients


def test_longest_idle_connection_is_evicted() -> None:
    """Beyond the maximum a new connection replaces the longest-idle one."""

    def client(port: int) -> list[bool]:
        with connected(port, *["127.0.0.1"] * 3) as clients:
            assert is_served(clients[0])
            clients.append(connect(port))
            assert is_served(clients[3])
            served = [is_served(each) for each in clients]
            clients[3].close()
            return served

    assert [True, False, True, True] == serve(
        example_service(max_connections=3), client
    )


def test_eviction_in_the_largest_network() -> None:
    """Many connections from one address evict each other, and no other client."""

    def client(port: int) -> list[bool]:
        with (
            connected(port, "127.0.0.1", *["127.0.0.2"] * 4) as clients,
            connected(port, *["127.0.0.2"] * 20),
        ):
            return [is_served(each) for each in clients]

    assert [True, False, False, False, False] == serve(
        example_service(max_connections=5), client
    )


def test_pending_request_is_not_evicted() -> None:
    """The connection of a running scrape is kept; idle ones are evicted instead."""
    waiting = Waiting()

    def client(port: int) -> bytes:
        with connect(port) as scraper:
            scraper.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
            assert waiting.started.wait(SECONDS)
            with connected(port, *["127.0.0.1"] * 10):
                waiting.may_end.set()
                return scraper.recv(15)

    assert b"HTTP/1.1 200 OK" == serve(
        example_service(waiting, max_connections=3), client
    )


def test_out_of_descriptors(caplog: pytest.LogCaptureFixture) -> None:
    """Without a free descriptor, a new connection replaces the longest-idle one."""

    def client(port: int) -> list[bool]:
        with (
            connected(port, *["127.0.0.1"] * 2) as clients,
            socket.socket() as last,
            no_descriptors(),
        ):
            last.settimeout(SECONDS)
            last.connect(("127.0.0.1", port))
            return [is_served(each) for each in (last, *reversed(clients))]

    with caplog.at_level(logging.INFO):
        assert [True, True, False] == serve(example_service(), client)
    assert [] == caplog.records


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Use up all descriptors of this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = max(int(fd.name) for fd in Path("/proc/self/fd").iterdir())
    with ExitStack() as opened:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most + 1, hard))
        opened.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        with suppress(OSError):  # EMFILE
            while True:
                opened.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        yield
