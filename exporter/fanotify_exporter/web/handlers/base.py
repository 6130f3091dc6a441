"""The base class of all handlers: access control, headers and error responses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar, cast

from tornado.http1connection import HTTP1Connection
from tornado.web import Finish, RequestHandler

from fanotify_exporter.metrics.pages import ScrapePages
from fanotify_exporter.web.connections import Connections
from fanotify_exporter.web.service import MetricsService
from fanotify_exporter.web.single_flight import SingleFlight


if TYPE_CHECKING:  # imports YAML and bcrypt, which only --web.config.file needs
    from fanotify_exporter.web.access import AccessControl


T = TypeVar("T")

# Headers that explain a status: RFC 9110, sections 11.6.1, 10.2.1 and 10.2.3.
HEADERS_BY_STATUS: Mapping[int, tuple[str, str]] = {
    HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate", 'Basic realm="fanotify-exporter"'),
    HTTPStatus.METHOD_NOT_ALLOWED: ("Allow", "GET, HEAD"),
    HTTPStatus.TOO_MANY_REQUESTS: ("Retry-After", "1"),
}

# Reason phrase of a 500 while the web configuration file is broken. Prometheus shows
# the phrase as the error of the scrape.
BROKEN_CONFIG = "Bad Web Configuration File"

PLAIN_TEXT = "text/plain; charset=utf-8"


class BaseHandler(RequestHandler):
    """Authorize a request, and answer errors in plain text."""

    # Content-Security-Policy of the response.
    policy = "default-src 'none'"

    def initialize(self) -> None:
        """Take the shared objects from the settings, and record the request."""
        self.service: MetricsService = self.settings["service"]
        self.single_flight: SingleFlight[ScrapePages] = self.settings["single_flight"]
        self._scraped: asyncio.Future[Any] | None = None
        self.connections: Connections = self.settings["connections"]
        self.stream = cast(HTTP1Connection, self.request.connection).stream
        self.connections.request_received(self.stream)

    def set_default_headers(self) -> None:
        """Set headers that keep browsers from guessing types and loading content."""
        self.clear_header("Server")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Content-Security-Policy", self.policy)
        access: AccessControl | None = self.settings["access"]
        for name, value in access.headers.items() if access else ():
            self.set_header(name, value)

    async def prepare(self) -> None:
        """Refuse the request unless access control authorizes it."""
        access: AccessControl | None = self.settings["access"]
        if access:
            context = getattr(self.stream.socket, "context", None)
            authorization = self.request.headers.get("Authorization", "")
            client = str(self.request.remote_ip)
            status = await access.authorize(context, authorization, client)
            if status == HTTPStatus.MISDIRECTED_REQUEST:
                # Clients repeat a request whose kept-alive connection was closed.
                self.stream.close()
                raise Finish
            if status == HTTPStatus.INTERNAL_SERVER_ERROR:
                self.send_error(status, reason=BROKEN_CONFIG)
            elif status != HTTPStatus.OK:
                self.send_error(status)

    async def next_scrape(self, key: Hashable, make: Callable[[ScrapePages], T]) -> T:
        """Return *make* of the next scrape. The end of the connection ends the wait."""
        self._scraped = self.single_flight.get(key, make)
        try:
            return cast(T, await self._scraped)
        except asyncio.CancelledError:
            raise Finish from None
        finally:
            # The handler is part of a cycle, and lives until a garbage collection.
            self._scraped = None

    def on_connection_close(self) -> None:
        """Give up what the client asked for."""
        if self._scraped:
            self._scraped.cancel()

    def compute_etag(self) -> None:
        """Return no ETag: two responses are never the same, and a hash costs time."""

    async def get(self) -> None:
        """Answer GET. Each subclass overrides this method."""
        raise NotImplementedError

    async def head(self) -> None:
        """Answer HEAD like GET; tornado leaves the body out."""
        await self.get()

    def finish(
        self, chunk: str | bytes | dict[str, object] | None = None
    ) -> asyncio.Future[None]:
        """Send the response, and limit the time that the client has to read it."""
        written = super().finish(chunk)
        self.connections.response_sent(self.stream, written)
        return written

    def write_error(self, status_code: int, **_: object) -> None:
        """Answer with the status in plain text, without any text of the request."""
        self.set_header("Content-Type", PLAIN_TEXT)
        if status_code in HEADERS_BY_STATUS:
            self.set_header(*HEADERS_BY_STATUS[status_code])
        self.finish(f"{status_code} {self._reason}\n")
