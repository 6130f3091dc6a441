"""HTTP from the first listening socket to the last answer."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from contextlib import ExitStack

from tornado.netutil import bind_sockets

from fanotify_exporter.errors import ListenError, UsageError


MAX_PORT = 65535
BACKLOG = 4096
"""Clients that the kernel keeps waiting, up to net.core.somaxconn; listen(2)."""


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
    host = parts[1] or parts[2] or None
    try:
        return bind_sockets(int(parts[3]), host, backlog=BACKLOG)
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
