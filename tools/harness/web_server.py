"""The real server on a loopback port, and what clients and scrapes tests need."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPSConnection
from ssl import SSLContext
from typing import TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from fanotify_exporter.system.systemd import SystemdNotifier
from fanotify_exporter.web import server
from fanotify_exporter.web.access import AccessControl
from fanotify_exporter.web.handlers import MetricsService
from fanotify_exporter.web.sockets import listen


T = TypeVar("T")

HUGE = 12_000_000
"""More bytes than the kernel buffers for a sender (net.ipv4.tcp_wmem)."""


class Fishes:
    """Two families that do not change."""

    def describe(self) -> Iterator[Metric]:
        yield CounterMetricFamily("fishes", "Fishes.")
        yield GaugeMetricFamily("ponds", "Ponds.")

    def collect(self) -> Iterator[Metric]:
        fishes = CounterMetricFamily("fishes", "Fishes.", labels=("name",))
        fishes.add_metric(("\u00f8re",), 23, created=5.0)
        yield fishes
        yield GaugeMetricFamily("ponds", "Ponds.", value=1)


class Waiting(Fishes):
    """A scrape that takes until the test lets it go on."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.may_end = threading.Event()

    def collect(self) -> Iterator[Metric]:
        self.started.set()
        assert self.may_end.wait(5)
        yield from super().collect()


class Counting(Fishes):
    """A registry's collector that counts its scrapes."""

    def __init__(self) -> None:
        self.scrapes = 0

    def collect(self) -> Iterator[Metric]:
        self.scrapes += 1
        yield from super().collect()


class Huge(Fishes):
    """More text than the kernel buffers for a client that does not read."""

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("ponds", "x" * HUGE, value=1)


class Failing(Fishes):
    """A scrape that ends in a bug."""

    def collect(self) -> Iterator[Metric]:
        raise RuntimeError("the inmost secret")


def site_of(
    collector: Fishes | None = None,
    *,
    telemetry_path: str = "/metrics",
    ready: bool = True,
) -> MetricsService:
    registry = CollectorRegistry()
    registry.register(collector or Fishes())
    return MetricsService(registry, telemetry_path, lambda: ready)


def serve(
    site: MetricsService,
    client: Callable[[int], T],
    door: AccessControl | None = None,
    supervisor: SystemdNotifier | None = None,
) -> T:
    """Serve *site* on loopback while *client* talks to its port, then stop it."""
    sockets = listen(["127.0.0.1:0"])
    port = sockets[0].getsockname()[1]

    async def run() -> T:
        serving = asyncio.create_task(
            server.serve(
                site,
                sockets,
                door,
                server.Lifecycle(
                    on_stopping=lambda: supervisor.notify("STOPPING=1"),
                    watchdog=supervisor.ping_watchdog,
                )
                if supervisor
                else None,
            )
        )
        try:
            return await asyncio.to_thread(client, port)
        finally:
            if not serving.done():
                signal.raise_signal(signal.SIGTERM)
            await serving
            if door:
                door.stop()

    return asyncio.run(run())


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


def request(
    port: int,
    path: str,
    method: str = "GET",
    context: SSLContext | None = None,
    **headers: str,
) -> Answer:
    """Make one request; underscores in header names stand for dashes."""
    connection = (
        HTTPSConnection("127.0.0.1", port, timeout=10, context=context)
        if context
        else HTTPConnection("127.0.0.1", port, timeout=10)
    )
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(connection):
        connection.request(method, path, headers=names)
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())


def ask(site: MetricsService, path: str, method: str = "GET", **headers: str) -> Answer:
    return serve(site, lambda port: request(port, path, method, None, **headers))


def rest_of(connection: socket.socket) -> bytes:
    """Read until the server closes, in whatever way it does."""
    received = b""
    with suppress(ConnectionError):
        while part := connection.recv(65536):
            received += part
    return received


def exchange(port: int, sent: bytes) -> bytes:
    """Send bytes as they are; return all that comes until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        with suppress(OSError):  # closed while we were still sending
            connection.sendall(sent)
            if b"\r\n\r\n" not in sent:  # the server would wait for the rest
                connection.shutdown(socket.SHUT_WR)
        return rest_of(connection)
