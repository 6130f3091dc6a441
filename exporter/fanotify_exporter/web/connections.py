"""
Connections of untrusted clients, bounded in number, memory and time.

One event loop serves all of them, so a slow client costs a descriptor but no thread.
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
from tornado.web import Application

from fanotify_exporter.web.source_network import source_network
from fanotify_exporter.web.streams import MAX_REQUEST_BYTES, open_stream


# Connections that may be open at a time, if the process may open enough descriptors.
MAX_CONNECTIONS = 128

# How long a connection may stay idle: the usual scrape interval of 60 s and a margin.
IDLE_SECONDS = 65.0

# How long a client may take to read a response: Prometheus' default scrape_timeout.
WRITE_SECONDS = 10.0

# How long a stop waits for responses, and again for connections to close.
STOP_SECONDS = 0.5

# Delay of the next accept(2) after a failure with no open connection to close.
RETRY_SECONDS = 1.0

# struct linger: close(2) drops unsent data and sends a reset; socket(7).
RESET = struct.pack("ii", 1, 0)

PARAMETERS = HTTP1ConnectionParameters(
    chunk_size=MAX_REQUEST_BYTES,
    max_header_size=MAX_REQUEST_BYTES,
    header_timeout=IDLE_SECONDS,
    max_body_size=MAX_REQUEST_BYTES,
    body_timeout=WRITE_SECONDS,
)

log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Peer:
    """
    The client of a connection.

    Attributes:
        remote_ip: the client's address; tornado copies it to each request.
        protocol: "http" or "https"; tornado copies it, too.
        network: the source network of the address.
        pending: requests without a complete response.
    """

    remote_ip: str
    protocol: str
    network: bytes
    pending: int = 0


class Connections(HTTPServerConnectionDelegate):
    """
    An HTTP server that keeps room for new connections.

    A new connection beyond the maximum evicts the longest-idle connection of the
    source network with the most connections.
    """

    def __init__(
        self,
        application: Application,
        tls_context: Callable[[], SSLContext | None],
        maximum: int = MAX_CONNECTIONS,
    ) -> None:
        """
        Serve *application* over at most *maximum* connections at a time.

        Args:
            tls_context: returns the TLS context of a new connection, if any.
        """
        self._maximum = maximum
        self._application = application
        self._tls_context = tls_context
        self._listening: set[socket.socket] = set()
        self._serving: set[HTTP1ServerConnection] = set()
        # In the order of the last activity: the accept, or the last request.
        self._peers: dict[IOStream, Peer] = {}
        self._response_done = asyncio.Event()

    def accept_on(self, listening: socket.socket) -> None:
        """Accept connections on *listening*."""
        self._listening.add(listening)
        asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        """Accept one connection, so that others are served before the next accept."""
        try:
            connection, address = listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:  # accept(2): out of descriptors or memory
            self._free_descriptor(listening, error)
            return
        if len(self._peers) >= self._maximum:
            self.abort(self._eviction_candidate(), "too many connections")
        try:
            stream = open_stream(connection, self._tls_context())
        except OSError:  # the client has left
            connection.close()
        else:
            self._serve(stream, address[0])

    def _serve(self, stream: IOStream, host: str) -> None:
        protocol = "https" if isinstance(stream, SSLIOStream) else "http"
        peer = self._peers[stream] = Peer(host, protocol, source_network(host))
        connection = HTTP1ServerConnection(stream, PARAMETERS, peer)
        self._serving.add(connection)
        connection.start_serving(self)

    def start_request(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        """Pass the next request of a connection to the application."""
        return self._application.start_request(server_conn, request_conn)

    def on_close(self, server_conn: object) -> None:
        """Forget a closed connection."""
        connection = cast(HTTP1ServerConnection, server_conn)
        self._serving.discard(connection)
        self._forget(connection.stream)

    def _forget(self, stream: IOStream) -> None:
        self._peers.pop(stream, None)
        self._response_done.set()

    def request_received(self, stream: IOStream) -> None:
        """Record a request on *stream*. Until its response, the stream is not idle."""
        if peer := self._peers.pop(stream, None):
            peer.pending += 1
            self._peers[stream] = peer

    def response_sent(self, stream: IOStream, written: asyncio.Future[None]) -> None:
        """Abort *stream* unless *written* completes within WRITE_SECONDS."""
        deadline = asyncio.get_running_loop().call_later(
            WRITE_SECONDS, self.abort, stream, "client too slow"
        )

        def done(_: object) -> None:
            deadline.cancel()
            if peer := self._peers.get(stream):
                peer.pending -= 1
                self._response_done.set()

        written.add_done_callback(done)

    def _free_descriptor(self, listening: socket.socket, error: OSError) -> None:
        """Close a connection for the next accept. If none is open, accept later."""
        if self._peers:
            self.abort(self._eviction_candidate(), str(error))
        else:
            log.warning("cannot accept connections", extra={"reason": error})
            loop = asyncio.get_running_loop()
            loop.remove_reader(listening)
            loop.call_later(RETRY_SECONDS, self._accept_again, listening)

    def _accept_again(self, listening: socket.socket) -> None:
        if listening in self._listening:
            self.accept_on(listening)

    def _eviction_candidate(self) -> IOStream:
        """
        Return the connection to evict: the longest-idle one of the largest network.

        A connection with a pending request is evicted only if that network has no
        idle connection.
        """
        sizes = Counter(peer.network for peer in self._peers.values())
        largest = max(sizes.values())
        candidates = [
            stream
            for stream, peer in self._peers.items()
            if sizes[peer.network] == largest
        ]
        idle = (each for each in candidates if not self._peers[each].pending)
        return next(idle, candidates[0])

    def abort(self, stream: IOStream, reason: str) -> None:
        """Close *stream* now, and drop the data that the kernel holds for it."""
        if not stream.closed():
            log.debug("connection aborted", extra={"reason": reason})
            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            stream.close()
        self._forget(stream)

    async def close(self) -> None:
        """Stop accepting, wait for pending responses, then close all connections."""
        for listening in self._listening:
            asyncio.get_running_loop().remove_reader(listening)
            listening.close()
        self._listening.clear()
        for step in (self._finish_pending(), self._close_all()):
            with suppress(TimeoutError):
                await asyncio.wait_for(step, STOP_SECONDS)

    async def _finish_pending(self) -> None:
        while any(peer.pending for peer in self._peers.values()):
            self._response_done.clear()
            await self._response_done.wait()

    async def _close_all(self) -> None:
        await asyncio.gather(*(each.close() for each in self._serving))
