"""
Access control from the web configuration file.

A thread looks at the file, and at the files that it names, each second. The event loop
uses what the last look found, so no answer waits for a file.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from ssl import SSLContext
from threading import Event, Thread

from fanotify_exporter.errors import ConfigError
from fanotify_exporter.web.config import WebConfig
from fanotify_exporter.web.settings import Settings, SettingsReader
from fanotify_exporter.web.source_network import source_network
from fanotify_exporter.web.worker import Worker


# The thread waits this long between two looks, so a change holds within two seconds.
LOOK_SECONDS = 1.0

# A look that takes longer is logged. A look usually takes less than a millisecond.
STALL_SECONDS = 60.0

log = logging.getLogger(__name__)


class AccessControl:
    """
    Authorize connections and requests as the web configuration file says.

    While a file is invalid, every request is refused. A file that drops TLS, users or
    required client certificates also counts as invalid, because a file that is only
    half written looks like that. While the open of a file waits, for example for a
    permission listener (fanotify(7)), the settings stay as they are.
    """

    def __init__(self, path: Path) -> None:
        """
        Read the file at *path*.

        Raises:
            ConfigError: the file, or a file that it names, is invalid.
        """
        self._path = path
        self._worker = Worker("bcrypt")
        self._reader = SettingsReader(path, self._worker)
        self._settings = self._reader.read(Settings(WebConfig(), {}, None, None))
        self._looked = time.monotonic()
        self._stopping = Event()

    def start(self) -> None:
        """Start the thread, which gets the privileges that the process has now."""
        Thread(target=self._run, name="web-config", daemon=True).start()

    def stop(self) -> None:
        """Ask both threads to end."""
        self._stopping.set()
        self._worker.stop()

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers of every response."""
        return self._settings.config.headers

    def tls_context(self) -> SSLContext | None:
        """Return the TLS context for a new connection, None for plain HTTP."""
        return self._settings.context

    async def authorize(
        self, context: SSLContext | None, authorization: str, client: str
    ) -> HTTPStatus:
        """
        Return OK if the request may be answered, else the status to answer with.

        The status MISDIRECTED_REQUEST means that the connection was made under other
        TLS settings, and is to be closed without a response.

        Args:
            context: TLS context of the connection.
            authorization: the Authorization header.
            client: IP address of the client.
        """
        settings = self._settings
        if context is not settings.context:
            return HTTPStatus.MISDIRECTED_REQUEST
        if settings.broken:
            return HTTPStatus.INTERNAL_SERVER_ERROR
        if settings.auth:
            return await settings.auth.authorize(authorization, source_network(client))
        return HTTPStatus.OK

    def look(self) -> None:
        """
        Read the files again if one has changed. Only one thread may look.

        After any exception, also of a bug, every request is refused.
        """
        if self._reader.has_changed():
            try:
                self._settings = self._reader.read(self._settings)
            except Exception as error:
                self._settings = replace(self._settings, broken=True)
                log.error(  # noqa: TRY400  the reason of a ConfigError suffices
                    "invalid web configuration: all requests are refused",
                    extra={"reason": error},
                    exc_info=not isinstance(error, ConfigError),
                )
        self._looked = time.monotonic()

    def age(self) -> float:
        """Return the seconds since the end of the last look."""
        return time.monotonic() - self._looked

    async def report_stalls(self) -> None:
        """Log when a look takes longer than STALL_SECONDS, and when looks go on."""
        file = {"file": self._path}
        stalled = False
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if (self.age() > STALL_SECONDS) == stalled:
                continue
            stalled = not stalled
            if stalled:
                log.warning(
                    "the web configuration cannot be read: changes have no effect. "
                    "Find the fanotify listener or the file system that hangs",
                    extra=file | {"seconds": round(self.age())},
                )
            else:
                log.info("the web configuration can be read again", extra=file)

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            self.look()
