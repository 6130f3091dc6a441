"""Listening sockets for the addresses of --web.listen-address."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from contextlib import ExitStack

from tornado.netutil import bind_sockets

from fanotify_exporter.errors import ListenError, UsageError


MAX_PORT = 65535

# Connections that the kernel queues until they are accepted; listen(2). The kernel
# lowers the number to net.core.somaxconn.
BACKLOG = 4096


def listen(addresses: Sequence[str]) -> list[socket.socket]:
    """
    Open listening sockets on "host:port", "[v6]:port" or ":port" (all addresses).

    Raises:
        UsageError: an address is malformed.
        ListenError: an address is in use, or does not belong to this host.
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
            "use host:port, [IPv6]:port or :port"
        )
    host = parts[1] or parts[2] or None
    try:
        return bind_sockets(int(parts[3]), host, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a host name"
        raise ListenError(
            f"cannot listen on {text}: {reason}. Choose another "
            "address with --web.listen-address"
        ) from error


def address(listening: socket.socket) -> str:
    """Return the "host:port" of a socket, in the syntax of --web.listen-address."""
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
