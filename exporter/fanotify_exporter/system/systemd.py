"""What systemd(1) gives to a service that it starts, and what it wants to hear."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
from collections.abc import Awaitable, Callable, Mapping

from fanotify_exporter.errors import ListenError, UsageError


FIRST_SOCKET = 3
"""Descriptor of the first socket that is passed; sd_listen_fds(3)."""
PINGS = 2
"""In the watchdog's time; sd_watchdog_enabled(3)."""

log = logging.getLogger(__name__)


def passed_sockets(environ: Mapping[str, str]) -> list[socket.socket]:
    """
    Return the listening sockets that systemd opened for this process.

    Raises:
        ListenError: there is none, or one of another kind.
        UsageError: LISTEN_FDS is no number.
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
    """Return the number that systemd set variable *name* to, 0 if it did not."""
    value = environ.get(name, "0")
    if not re.fullmatch(r"\d{1,18}", value, re.ASCII):
        raise UsageError(
            f"{name} is {value!r}: systemd sets a number there. Unset it, or let "
            "systemd start the exporter"
        )
    return int(value)


def _listening(fd: int) -> socket.socket:
    try:
        found = socket.socket(fileno=fd)
        listens = found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        of_tcp = listens and found.family in (socket.AF_INET, socket.AF_INET6)
    except OSError:
        of_tcp = False
    if not of_tcp:
        raise ListenError(
            f"what systemd passed as descriptor {fd} does not listen on TCP. Say "
            "ListenStream=[HOST:]PORT in fanotify-exporter.socket"
        )
    found.set_inheritable(False)
    found.setblocking(False)  # noqa: FBT003
    return found


class SystemdNotifier:
    """systemd, or nobody where nobody asked to be told; sd_notify(3)."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """
        Take from *environ* whom to tell, and how often the watchdog wants to.

        Raises:
            UsageError: WATCHDOG_USEC is no number.
        """
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = address.replace("@", "\0", 1) if address[:1] == "@" else address
        is_ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        microseconds = _number(environ, "WATCHDOG_USEC") if is_ours else 0
        self._pause = microseconds / 1e6 / PINGS

    def notify(self, *assignments: str) -> None:
        """Send *assignments*, such as READY=1, in one message; never wait for it."""
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.setblocking(False)  # noqa: FBT003
            try:
                channel.sendto("\n".join(assignments).encode(), self._address)
            except OSError as error:
                log.warning("systemd was not told", extra={"reason": error})

    async def ping_watchdog(self, progress: Callable[[], Awaitable[object]]) -> None:
        """Ping the watchdog, if there is one, each time that *progress* was made."""
        while self._pause:
            await progress()
            self.notify("WATCHDOG=1")
            await asyncio.sleep(self._pause)
