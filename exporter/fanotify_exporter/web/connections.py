"""
Connections from anyone, bounded in number, memory and time.

One event loop serves all of them, so a slow client costs a descriptor and no thread.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from ssl import SSLContext
from typing import cast

from tornado.http1connection import HTTP1ConnectionParameters, HTTP1ServerConnection
from tornado.httputil import (
    HTTPConnection,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
)
from tornado.iostream import IOStream, SSLIOStream
from tornado.netutil import ssl_wrap_socket
from tornado.web import Application


MAX_CONNECTIONS = 128
MAX_REQUEST_BYTES = 16384
SEND_BUFFER_BYTES = 65536
"""Else the kernel takes megabytes for each client that does not read."""
IDLE_SECONDS = 65.0
"""How long a connection may take to send its next request: a usual interval."""
WRITE_SECONDS = 10.0
"""How long a client may take to read an answer: Prometheus' default timeout."""
STOP_SECONDS = 0.5
RETRY_SECONDS = 1.0
RESET = struct.pack("ii", 1, 0)
"""struct linger: close(2) drops what is not sent, and says so; socket(7)."""
IPV6_SITE_BYTES = 8
"""A /64, which one host may have all to itself."""
IPV4_MAPPED = bytes(10) + b"\xff\xff"
"""What comes before an IPv4 address on a socket of both families; ipv6(7)."""

Contexts = Callable[[], SSLContext | None]
"""What gives the TLS settings of a new connection, None for none."""

log = logging.getLogger(__name__)


PARAMETERS = HTTP1ConnectionParameters(
    chunk_size=MAX_REQUEST_BYTES,
    max_header_size=MAX_REQUEST_BYTES,
    header_timeout=IDLE_SECONDS,
    max_body_size=MAX_REQUEST_BYTES,
    body_timeout=WRITE_SECONDS,
)


@dataclass(eq=False, slots=True)
class Peer:
    """
    Who is at the other end of a connection.

    Attributes:
        remote_ip: its address, which tornado gives to requests.
        protocol: "http" or "https"; also for tornado.
        site: what tells one source of connections from another.
        owed: requests that are not answered yet.
    """

    remote_ip: str
    protocol: str
    site: bytes
    owed: int = 0


class Connections(HTTPServerConnectionDelegate):
    """
    An HTTP server on which no client can hold a place that another one needs.

    With MAX_CONNECTIONS open, a new one takes the place of that which has waited
    longest for a request, among those from wherever most of them come.
    """

    def __init__(self, pages: Application, contexts: Contexts) -> None:
        """Let *pages* answer, over TLS where *contexts* says so."""
        self._pages = pages
        self._contexts = contexts
        self._listening: set[socket.socket] = set()
        self._serving: set[HTTP1ServerConnection] = set()
        self._peers: dict[IOStream, Peer] = {}
        """In the order of their last sign of life: a connection made, a request."""
        self._answered = asyncio.Event()

    def accept_on(self, listening: socket.socket) -> None:
        """Serve who connects to *listening*."""
        self._listening.add(listening)
        asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        """Accept one connection: the next has its turn after what others have sent."""
        try:
            connection, address = listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:  # accept(2): out of descriptors or memory
            self._make_room(listening, error)
            return
        if len(self._peers) >= MAX_CONNECTIONS:
            self._cut_off(self._longest_waiting(), "too many connections")
        try:
            stream = _stream(connection, self._contexts())
        except OSError:  # it is gone already
            connection.close()
        else:
            self._serve(stream, address[0])

    def _serve(self, stream: IOStream, host: str) -> None:
        protocol = "https" if isinstance(stream, SSLIOStream) else "http"
        peer = self._peers[stream] = Peer(host, protocol, site_of(host))
        connection = HTTP1ServerConnection(stream, PARAMETERS, peer)
        self._serving.add(connection)
        connection.start_serving(self)

    def start_request(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        """Hand the next request of a connection to the pages."""
        return self._pages.start_request(server_conn, request_conn)

    def on_close(self, server_conn: object) -> None:
        """Forget a connection."""
        connection = cast(HTTP1ServerConnection, server_conn)
        self._serving.discard(connection)
        self._forget(connection.stream)

    def _forget(self, stream: IOStream) -> None:
        self._peers.pop(stream, None)
        self._answered.set()

    def asked(self, stream: IOStream) -> None:
        """Note that a request came over *stream*: it waits for us, not we for it."""
        if peer := self._peers.pop(stream, None):
            peer.owed += 1
            self._peers[stream] = peer

    def answered(self, stream: IOStream, written: asyncio.Future[None]) -> None:
        """Give the client WRITE_SECONDS to take an answer; *written* says it did."""
        late = asyncio.get_running_loop().call_later(
            WRITE_SECONDS, self._cut_off, stream, "client too slow"
        )

        def done(_: object) -> None:
            late.cancel()
            if peer := self._peers.get(stream):
                peer.owed -= 1
                self._answered.set()

        written.add_done_callback(done)

    def _make_room(self, listening: socket.socket, error: OSError) -> None:
        """Free what the next connection needs, or leave it in the kernel's queue."""
        if self._peers:
            self._cut_off(self._longest_waiting(), str(error))
        else:
            log.warning("cannot accept connections", extra={"reason": error})
            loop = asyncio.get_running_loop()
            loop.remove_reader(listening)
            loop.call_later(RETRY_SECONDS, self._accept_again, listening)

    def _accept_again(self, listening: socket.socket) -> None:
        if listening in self._listening:
            self.accept_on(listening)

    def _longest_waiting(self) -> IOStream:
        """Return whose turn it is to leave: of the largest crowd, the idlest."""
        crowds = Counter(peer.site for peer in self._peers.values())
        most = max(crowds.values())
        crowd = [
            stream for stream, peer in self._peers.items() if crowds[peer.site] == most
        ]
        return next((each for each in crowd if not self._peers[each].owed), crowd[0])

    def _cut_off(self, stream: IOStream, why: str) -> None:
        """Close *stream* now, with what the kernel still holds for it."""
        if not stream.closed():
            log.debug("connection cut off", extra={"reason": why})
            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            stream.close()
        self._forget(stream)

    async def close(self) -> None:
        """Accept no more, let answers end, close; neither takes over STOP_SECONDS."""
        for listening in self._listening:
            asyncio.get_running_loop().remove_reader(listening)
            listening.close()
        self._listening.clear()
        for step in (self._all_answered(), self._all_closed()):
            with suppress(TimeoutError):
                await asyncio.wait_for(step, STOP_SECONDS)

    async def _all_answered(self) -> None:
        while any(peer.owed for peer in self._peers.values()):
            self._answered.clear()
            await self._answered.wait()

    async def _all_closed(self) -> None:
        await asyncio.gather(*(each.close() for each in self._serving))


def _stream(connection: socket.socket, context: SSLContext | None) -> IOStream:
    """
    Return what tornado reads *connection* through.

    Raises:
        OSError: the client is gone.
    """
    sizes = {
        "max_buffer_size": 4 * MAX_REQUEST_BYTES,
        "read_chunk_size": MAX_REQUEST_BYTES,
    }
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    connection.setblocking(False)  # noqa: FBT003  the standard library's
    if context is None:
        return IOStream(connection, **sizes)
    connection.getpeername()  # ssl leaves a socket open when this fails inside it
    secure = ssl_wrap_socket(
        connection, context, server_side=True, do_handshake_on_connect=False
    )
    return SSLIOStream(secure, ssl_options=context, **sizes)


def site_of(host: str) -> bytes:
    """Return an IPv4 address, or the /64 of an IPv6 address."""
    if ":" not in host:
        return socket.inet_pton(socket.AF_INET, host)
    address = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    if address.startswith(IPV4_MAPPED):
        return address.removeprefix(IPV4_MAPPED)
    return address[:IPV6_SITE_BYTES]
