"""HTTP from the first listening socket to the last answer."""

from __future__ import annotations

import asyncio
import logging
import re
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tornado.netutil import bind_sockets

from exporter.connections import Connections
from exporter.errors import ListenError, UsageError
from exporter.pages import Site, application
from exporter.sharing import Shared
from exporter.systemd import Supervisor
from exporter.worker import Worker


if TYPE_CHECKING:
    from exporter.door import Door


MAX_PORT = 65535
BACKLOG = 4096
"""Clients that the kernel keeps waiting, up to net.core.somaxconn; listen(2)."""

log = logging.getLogger(__name__)


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


async def serve(
    site: Site,
    sockets: Sequence[socket.socket],
    started: Callable[[Sequence[str]], None],
    door: Door | None = None,
    supervisor: Supervisor | None = None,
) -> None:
    """
    Serve *site* on *sockets* to whom *door* lets in, until SIGTERM or SIGINT.

    *started* is told the addresses once both requests and signals are answered. The
    *supervisor*'s watchdog hears from us while both the loop and scrapes go on.
    """
    supervisor = supervisor or Supervisor({})
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    logging.getLogger("tornado.general").addFilter(_is_ours)
    worker = Worker("scrape")
    pages = application(site, Shared(worker), door)
    connections = Connections(pages, door.context if door else lambda: None)
    pages.settings["connections"] = connections
    for each in sockets:
        connections.accept_on(each)
    started([address(each) for each in sockets])
    awake = asyncio.create_task(supervisor.keep_awake(lambda: worker.run(_nothing)))
    await stop.wait()
    supervisor.tell("STOPPING=1")
    awake.cancel()
    await connections.close()
    worker.stop()


def _nothing() -> None:
    """Stand in the scrapes' queue."""


def _is_ours(record: logging.LogRecord) -> bool:
    """Return whether to log what tornado says; of what clients do, only for debug."""
    error = record.exc_info[1] if record.exc_info else None
    if error and not isinstance(error, OSError):
        return True
    record.levelno, record.levelname = logging.DEBUG, "DEBUG"
    return log.isEnabledFor(logging.DEBUG)
