"""tornado streams for accepted connections, with bounded buffers."""

from __future__ import annotations

import socket
from ssl import SSLContext

from tornado.iostream import IOStream, SSLIOStream
from tornado.netutil import ssl_wrap_socket


# Limit of the request line with the headers, and of the body, which no handler uses.
# A scrape by Prometheus sends less than 1 KiB.
MAX_REQUEST_BYTES = 16384

# Send buffer of a connection. By default the kernel buffers megabytes for a client
# that does not read (net.ipv4.tcp_wmem).
SEND_BUFFER_BYTES = 65536


def open_stream(connection: socket.socket, context: SSLContext | None) -> IOStream:
    """
    Return a stream over *connection*, with TLS if *context* is given.

    Raises:
        OSError: the client has closed the connection.
    """
    sizes = {
        "max_buffer_size": 4 * MAX_REQUEST_BYTES,
        "read_chunk_size": MAX_REQUEST_BYTES,
    }
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    connection.setblocking(False)  # noqa: FBT003  the standard library's signature
    if context is None:
        return IOStream(connection, **sizes)
    # getpeername() raises if the client has left. ssl would too, but leak a socket.
    connection.getpeername()
    secure = ssl_wrap_socket(
        connection, context, server_side=True, do_handshake_on_connect=False
    )
    return SSLIOStream(secure, ssl_options=context, **sizes)
