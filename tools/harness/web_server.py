"""Run the real server on a loopback port, with example collectors and clients."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from ssl import SSLContext
from typing import TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.samples import Sample

from fanotify_exporter.landing.waits import Waits
from fanotify_exporter.metrics.families import Family
from fanotify_exporter.metrics.registry import Registry
from fanotify_exporter.system.systemd import SystemdNotifier
from fanotify_exporter.web import server
from fanotify_exporter.web.access import AccessControl
from fanotify_exporter.web.connections import MAX_CONNECTIONS
from fanotify_exporter.web.service import MetricsService, no_waits
from fanotify_exporter.web.sockets import listen


T = TypeVar("T")

# Bytes of a response that the kernel's send buffer (net.ipv4.tcp_wmem) cannot hold.
HUGE = 12_000_000


# A query for the families of Fishes; the families about collectors have durations.
CONSTANT = "name[]=fishes&name[]=ponds"


class Fishes:
    """Two constant families."""

    def describe(self) -> Iterator[Family]:
        yield CounterMetricFamily("fishes", "Fishes.")
        yield GaugeMetricFamily("ponds", "Ponds.")

    def collect(self) -> Iterator[Family]:
        fishes = CounterMetricFamily("fishes", "Fishes.", labels=("name",))
        fishes.add_metric(("\u00f8re",), 23, created=5.0)
        yield fishes
        yield GaugeMetricFamily("ponds", "Ponds.", value=1)


class Waiting(Fishes):
    """A scrape that waits until the test sets may_end."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.may_end = threading.Event()

    def collect(self) -> Iterator[Family]:
        self.started.set()
        assert self.may_end.wait(5)
        yield from super().collect()


class Counting(Waiting):
    """A collector that counts its scrapes, and waits while may_end is cleared."""

    def __init__(self) -> None:
        super().__init__()
        self.may_end.set()
        self.scrapes = 0

    def collect(self) -> Iterator[Family]:
        self.scrapes += 1
        yield from super().collect()


class Huge(Fishes):
    """A scrape of more bytes than the kernel buffers."""

    def collect(self) -> Iterator[Family]:
        yield GaugeMetricFamily("ponds", "x" * HUGE, value=1)


class Unreadable:
    """A family whose samples raise. The registry isolates only its collector."""

    name, documentation, type = "ponds", "Ponds.", "gauge"

    @property
    def samples(self) -> Iterator[Sample]:
        raise RuntimeError("the inmost secret")


class Failing(Fishes):
    """A scrape that raises."""

    def collect(self) -> Iterator[Family]:
        yield Unreadable()


def example_service(
    collector: Fishes | None = None,
    *,
    telemetry_path: str = "/metrics",
    ready: bool = True,
    waits: Callable[[], Waits | None] = no_waits,
    max_connections: int = MAX_CONNECTIONS,
) -> MetricsService:
    """Return a service whose registry has *collector*, Fishes by default."""
    registry = Registry({"fishes": collector or Fishes()})
    return MetricsService(
        registry,
        telemetry_path,
        lambda: ready,
        waits=waits,
        max_connections=max_connections,
    )


def serve(
    service: MetricsService,
    client: Callable[[int], T],
    access: AccessControl | None = None,
    notifier: SystemdNotifier | None = None,
) -> T:
    """Serve *service* on loopback, and return what *client* returns for its port."""
    sockets = listen(["127.0.0.1:0"])
    port = sockets[0].getsockname()[1]

    async def run() -> T:
        stop = asyncio.Event()
        serving = asyncio.create_task(
            server.serve(
                service,
                sockets,
                stop,
                access,
                server.Lifecycle(
                    on_stopping=lambda: notifier.notify("STOPPING=1"),
                    watchdog=notifier.ping_watchdog,
                )
                if notifier
                else None,
            )
        )
        try:
            return await asyncio.to_thread(client, port)
        finally:
            stop.set()
            await serving
            if access:
                access.stop()

    return asyncio.run(run())


async def serve_until_sigterm(
    service: MetricsService, sockets: Sequence[socket.socket]
) -> None:
    """Serve *service* in a process of its own, which a test ends with SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await server.serve(service, sockets, stop)


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


def ask(
    service: MetricsService, path: str, method: str = "GET", **headers: str
) -> Answer:
    """Serve one request."""
    return serve(service, lambda port: request(port, path, method, None, **headers))


def serve_config(folder: Path, text: str, client: Callable[[int], T]) -> T:
    """Serve with web.yml of *text* in *folder* while *client* talks to the port."""
    (folder / "web.yml").write_text(text)
    return serve(example_service(), client, AccessControl(folder / "web.yml"))


def serve_changing(
    folder: Path, text: str, client: Callable[[int, Callable[[], None]], T]
) -> T:
    """
    Serve as serve_config() does, while *client* changes files.

    The second argument of *client* looks at the files, in the place of the thread that
    looks each second.
    """
    (folder / "web.yml").write_text(text)
    access = AccessControl(folder / "web.yml")
    return serve(example_service(), lambda port: client(port, access.look), access)


def basic(password: str) -> str:
    """Return the Authorization header of the user alice."""
    return f"Basic {b64encode(f'alice:{password}'.encode()).decode()}"


def status(port: int, context: SSLContext | None = None, password: str = "") -> int:
    """Return the status of a scrape, 0 if the connection fails."""
    authorization = basic(password) if password else ""
    try:
        return request(
            port, "/metrics", context=context, Authorization=authorization
        ).status
    except OSError:
        return 0


def rest_of(connection: socket.socket) -> bytes:
    """Read until the server closes or resets the connection."""
    received = b""
    with suppress(ConnectionError):
        while part := connection.recv(65536):
            received += part
    return received


def exchange(port: int, sent: bytes) -> bytes:
    """Send raw bytes; return everything received until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        with suppress(OSError):  # the server may close before everything is sent
            connection.sendall(sent)
            if b"\r\n\r\n" not in sent:  # or the server would wait for more
                connection.shutdown(socket.SHUT_WR)
        return rest_of(connection)
