"""The service side of systemd(1): passed sockets, notifications and the watchdog."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
from collections.abc import Awaitable, Callable, Mapping

from fanotify_exporter.errors import ListenError, UsageError


# SD_LISTEN_FDS_START, the descriptor of the first passed socket; sd_listen_fds(3).
FIRST_SOCKET = 3

# sd_watchdog_enabled(3) recommends a ping every half of the watchdog's timeout.
PINGS_PER_TIMEOUT = 2

log = logging.getLogger(__name__)


def passed_sockets(environ: Mapping[str, str]) -> list[socket.socket]:
    """
    Return the listening sockets that systemd opened for this process.

    Raises:
        ListenError: systemd passed no socket, or a descriptor of another kind.
        UsageError: LISTEN_FDS is not a number.
    """
    is_ours = environ.get("LISTEN_PID") == str(os.getpid())
    number = _number(environ, "LISTEN_FDS") if is_ours else 0
    if not number:
        raise ListenError(
            "systemd passed no socket. Start fanotify-exporter.socket, or leave out "
            "--web.systemd-socket"
        )
    return [_listening(FIRST_SOCKET + each) for each in range(number)]


def _number(environ: Mapping[str, str], name: str) -> int:
    """Return the number in the variable *name*, 0 if the variable is not set."""
    value = environ.get(name, "0")
    if not re.fullmatch(r"\d{1,18}", value, re.ASCII):
        raise UsageError(
            f"{name} is {value!r}, but systemd sets this variable to a number. Unset "
            f"{name}, or let systemd start the exporter"
        )
    return int(value)


def _listening(fd: int) -> socket.socket:
    """Return descriptor *fd* as a socket that listens on TCP."""
    try:
        passed = socket.socket(fileno=fd)
        listens = passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        is_tcp = listens and passed.family in (socket.AF_INET, socket.AF_INET6)
    except OSError:
        is_tcp = False
    if not is_tcp:
        raise ListenError(
            f"systemd passed descriptor {fd}, which does not listen on TCP. Set "
            "ListenStream=[HOST:]PORT in fanotify-exporter.socket"
        )
    passed.set_inheritable(False)
    passed.setblocking(False)  # noqa: FBT003
    return passed


class SystemdNotifier:
    """Sender of notifications to systemd; sends none without NOTIFY_SOCKET."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """
        Read the address and the watchdog's timeout from *environ*; sd_notify(3).

        Raises:
            UsageError: WATCHDOG_USEC is not a number.
        """
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = address.replace("@", "\0", 1) if address[:1] == "@" else address
        is_ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        microseconds = _number(environ, "WATCHDOG_USEC") if is_ours else 0
        self._ping_interval = microseconds / 1e6 / PINGS_PER_TIMEOUT

    def notify(self, *assignments: str) -> None:
        """Send *assignments*, such as READY=1, in one message, without blocking."""
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.setblocking(False)  # noqa: FBT003
            try:
                channel.sendto("\n".join(assignments).encode(), self._address)
            except OSError as error:
                log.warning("cannot notify systemd", extra={"reason": error})

    async def ping_watchdog(self, progress: Callable[[], Awaitable[object]]) -> None:
        """
        Ping the watchdog regularly, each time after *progress* has completed.

        Returns at once if the service has no watchdog.
        """
        while self._ping_interval:
            await progress()
            self.notify("WATCHDOG=1")
            await asyncio.sleep(self._ping_interval)
