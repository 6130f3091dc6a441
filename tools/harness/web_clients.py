"""Clients of the server under test, over raw sockets."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import suppress


ASK = b"GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n"

# Time limit of a test for one operation on a socket.
SECONDS = 10.0


def connect(port: int, host: str = "127.0.0.1", buffer: int = 65536) -> socket.socket:
    """Connect from a loopback address; the receive buffer has *buffer* bytes."""
    client = socket.socket()
    client.settimeout(SECONDS)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    client.bind((host, 0))
    client.connect(("127.0.0.1", port))
    return client


def is_served(client: socket.socket) -> bool:
    """Return whether the server answers a request over *client*."""
    with suppress(OSError):
        client.sendall(ASK)
        return client.recv(65536).startswith(b"HTTP/1.1 200 ")
    return False


def mutants(original: bytes, step: int = 1) -> Iterator[bytes]:
    """Yield *original* with each *step*-th byte changed, one at a time."""
    generator = random.Random(23)
    for index in range(0, len(original), step):
        yield original[:index] + generator.randbytes(1) + original[index + 1 :]
