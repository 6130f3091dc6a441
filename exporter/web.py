"""
HTTP: the only module with sockets that others can reach.

One event loop serves all connections, so a slow client costs a descriptor and
no thread; scrapes run one at a time on a thread of their own.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
import re
import signal
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from html import escape
from typing import Any

from prometheus_client import CollectorRegistry
from tornado.http1connection import HTTP1Connection
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream, StreamClosedError
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from exporter import __version__
from exporter.errors import ListenError, UsageError
from exporter.exposition import negotiate, qualities


MAX_PORT = 65535
MAX_CONNECTIONS = 128
MAX_REQUEST_BYTES = 16384
SEND_BUFFER_BYTES = 65536
"""Else the kernel takes megabytes for each client that does not read."""
IDLE_SECONDS = 65.0
"""How long a connection may take to send its next request: a usual interval."""
WRITE_SECONDS = 10.0
"""How long a client may take to read an answer: Prometheus' default timeout."""
STOP_SECONDS = 0.5
GZIP_LEVEL = 4

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Site:
    """What is served: the registry, where, and whether it may be scraped yet."""

    registry: CollectorRegistry
    telemetry_path: str
    ready: Callable[[], bool]


class BoundedServer(HTTPServer):
    """An HTTP server that closes new connections when it has enough."""

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        """Serve *stream*, or close it if MAX_CONNECTIONS are open."""
        if len(self._connections) >= MAX_CONNECTIONS:
            log.debug("connection refused: too many", extra={"client": address[0]})
            stream.close()
        else:
            super().handle_stream(stream, address)


class Page(RequestHandler):
    """What all answers have in common."""

    def initialize(self, site: Site, scrapes: ThreadPoolExecutor) -> None:
        """Take what every page may need."""
        self.site = site
        self.scrapes = scrapes

    def set_default_headers(self) -> None:
        """Say what is served in a way that no browser second-guesses."""
        self.clear_header("Server")
        self.set_header("X-Content-Type-Options", "nosniff")

    def compute_etag(self) -> None:
        """Spare the hash of each body: no two scrapes are alike."""

    async def get(self) -> None:
        """Answer; each page has its own."""
        raise NotImplementedError

    async def head(self) -> None:
        """Answer HEAD as GET; tornado leaves the body out."""
        await self.get()

    def write_error(self, status_code: int, **_: object) -> None:
        """Name the status in plain text, and nothing of the request."""
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{status_code} {self._reason}\n")


class Metrics(Page):
    """The exposition, in the format and encoding that the client asks for."""

    async def get(self) -> None:
        """Scrape off the event loop, then send."""
        accept = self.request.headers.get("Accept", "")
        encode, content_type = negotiate(accept)
        names = self.get_query_arguments("name[]")
        registry = self.site.registry
        families = (registry.restricted_registry(names) if names else registry).collect
        zipped = qualities(self.request.headers.get("Accept-Encoding", "")).get("gzip")

        def scrape() -> bytes:
            text = encode(families())
            return gzip.compress(text, GZIP_LEVEL) if zipped else text

        loop = asyncio.get_running_loop()
        body = await loop.run_in_executor(self.scrapes, scrape)
        self.set_header("Content-Type", content_type)
        self.set_header("Vary", "Accept, Accept-Encoding")
        if zipped:
            self.set_header("Content-Encoding", "gzip")
        connection = self.request.connection
        try:
            await asyncio.wait_for(self.finish(body), WRITE_SECONDS)
        except StreamClosedError:
            log.debug("client left", extra={"client": self.request.remote_ip})
        except TimeoutError:
            log.debug("client too slow", extra={"client": self.request.remote_ip})
            if isinstance(connection, HTTP1Connection) and connection.stream:
                connection.stream.close()


class Landing(Page):
    """Links for a person."""

    async def get(self) -> None:
        """Send the page."""
        self.set_header("Content-Security-Policy", "default-src 'none'")
        path = escape(self.site.telemetry_path, quote=True)
        self.finish(
            "<!doctype html><html lang=en><meta charset=utf-8>"
            "<title>fanotify-exporter</title><h1>fanotify-exporter</h1>"
            "<p>Counts fanotify_mark(2) calls in the kernel. "
            f"Version {escape(__version__)}.<ul>"
            f'<li><a href="{path}">Metrics</a>'
            '<li><a href="/-/healthy">Healthy</a><li><a href="/-/ready">Ready</a>'
            "</ul>\n"
        )


class Healthy(Page):
    """Whether the event loop runs."""

    async def get(self) -> None:
        """Answer."""
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("Healthy.\n")


class Ready(Page):
    """Whether a scrape would tell the truth."""

    async def get(self) -> None:
        """Answer 200 if all probes are attached, 503 if not."""
        ready = self.site.ready()
        self.set_status(200 if ready else 503)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("Ready.\n" if ready else "Not ready: a probe is not attached.\n")


class NotFound(Page):
    """Any other path."""

    async def get(self) -> None:
        """Answer 404."""
        self.send_error(404)


def listen(addresses: Sequence[str]) -> list[socket.socket]:
    """
    Open listening sockets on "host:port", "[v6]:port" or ":port" (all addresses).

    Raises:
        UsageError: an address is malformed.
        ListenError: an address is taken, or not this host's.
    """
    sockets: list[socket.socket] = []
    with ExitStack() as opened:
        for text in addresses:
            sockets += map(opened.enter_context, _bind(text))
        opened.pop_all()
    return sockets


def _bind(text: str) -> list[socket.socket]:
    parts = re.fullmatch(r"(?:([^][:]*)|\[([^][]+)\]):(\d{1,5})", text)
    if not parts or int(parts[3]) > MAX_PORT:
        raise UsageError(
            f"--web.listen-address {text!r} is not an address: "
            "say host:port, [IPv6]:port or :port"
        )
    try:
        return bind_sockets(int(parts[3]), parts[1] or parts[2] or None)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a host name"
        raise ListenError(
            f"cannot listen on {text}: {why}. Choose another "
            "address with --web.listen-address"
        ) from error


def address(listening: socket.socket) -> str:
    """Return "host:port" of a socket, for people and for --web.listen-address."""
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def application(site: Site, scrapes: ThreadPoolExecutor) -> Application:
    """Return the routes."""
    context = {"site": site, "scrapes": scrapes}
    return Application(
        [
            (re.escape(site.telemetry_path), Metrics, context),
            ("/", Landing, context),
            ("/-/healthy", Healthy, context),
            ("/-/ready", Ready, context),
        ],
        default_handler_class=NotFound,
        default_handler_args=context,
        log_function=_log_request,
    )


def _log_request(handler: RequestHandler) -> None:
    log.debug(
        "request",
        extra={
            "method": handler.request.method,
            "path": handler.request.path,
            "status": handler.get_status(),
            "client": handler.request.remote_ip,
            "seconds": round(handler.request.request_time(), 6),
        },
    )


async def serve(
    site: Site,
    sockets: Sequence[socket.socket],
    started: Callable[[Sequence[str]], None],
) -> None:
    """
    Serve *site* on *sockets* until SIGTERM or SIGINT.

    *started* is told the addresses once both requests and signals are answered.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    scrapes = ThreadPoolExecutor(1, thread_name_prefix="scrape")
    server = BoundedServer(
        application(site, scrapes),
        idle_connection_timeout=IDLE_SECONDS,
        body_timeout=WRITE_SECONDS,
        max_header_size=MAX_REQUEST_BYTES,
        max_body_size=MAX_REQUEST_BYTES,
        chunk_size=MAX_REQUEST_BYTES,
    )
    for each in sockets:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    server.add_sockets(sockets)
    started([address(each) for each in sockets])
    await stop.wait()
    server.stop()
    with suppress(TimeoutError):
        await asyncio.wait_for(server.close_all_connections(), STOP_SECONDS)
    scrapes.shutdown(wait=False, cancel_futures=True)
