"""Clients of the server under test: raw sockets, and made-up bytes to send."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import suppress


ASK = b"GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n"
SECONDS = 10.0

WORDS = (b"", b"\0", b"\r\n", b"\n", b" ", b":", b"\xff" * 9, b"0", b"9" * 40, b"HTTP/")


def connect(port: int, host: str = "127.0.0.1", room: int = 65536) -> socket.socket:
    """Connect from *host*, one of loopback's, with so much *room* for what comes."""
    client = socket.socket()
    client.settimeout(SECONDS)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    client.bind((host, 0))
    client.connect(("127.0.0.1", port))
    return client


def is_served(client: socket.socket) -> bool:
    """Return whether a request over *client* is answered."""
    with suppress(OSError):
        client.sendall(ASK)
        return client.recv(65536).startswith(b"HTTP/1.1 200 ")
    return False


def mutants(original: bytes, number: int, seed: int) -> Iterator[bytes]:
    """Yield *original* with each byte changed in turn, then with parts moved about."""
    chance = random.Random(seed)
    for place in range(len(original)):
        yield original[:place] + chance.randbytes(1) + original[place + 1 :]
    for _ in range(number):
        changed = original
        for _ in range(chance.randint(1, 4)):
            start, end = sorted(chance.choices(range(len(changed) + 1), k=2))
            word = chance.choice((*WORDS, changed[start:end] * 2, chance.randbytes(3)))
            changed = changed[:start] + word + changed[end:]
        yield changed


def batches(items: Iterator[bytes], size: int) -> Iterator[list[bytes]]:
    while batch := [each for each, _ in zip(items, range(size), strict=False)]:
        yield batch
