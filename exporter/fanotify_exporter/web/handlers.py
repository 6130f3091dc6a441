"""What is answered on each path."""

from __future__ import annotations

import asyncio
import gzip
import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from prometheus_client import CollectorRegistry
from tornado.http1connection import HTTP1Connection
from tornado.iostream import StreamClosedError
from tornado.web import Application, Finish, RequestHandler

from fanotify_exporter.landing import page
from fanotify_exporter.landing.summary import SummaryReader
from fanotify_exporter.metrics.exposition import only
from fanotify_exporter.metrics.negotiation import negotiate, qualities
from fanotify_exporter.web.connections import WRITE_SECONDS, Connections
from fanotify_exporter.web.single_flight import SingleFlight


if TYPE_CHECKING:  # it brings YAML and bcrypt, which not everyone needs
    from fanotify_exporter.web.access import AccessControl


GZIP_LEVEL = 4
HEADERS_OF_STATUS: Mapping[int, tuple[str, str]] = {
    HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate", 'Basic realm="fanotify-exporter"'),
    HTTPStatus.METHOD_NOT_ALLOWED: ("Allow", "GET, HEAD"),
    HTTPStatus.TOO_MANY_REQUESTS: ("Retry-After", "1"),
}
SHUT = "Bad Web Configuration File"
"""What the status line says while nobody is let in."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MetricsService:
    """What is served: the registry, where, and whether it may be scraped yet."""

    registry: CollectorRegistry
    telemetry_path: str
    ready: Callable[[], bool]


class Page(RequestHandler):
    """What all answers have in common."""

    policy = "default-src 'none'"

    def initialize(self) -> None:
        """Take what every page may need, and tell that a request came."""
        self.site: MetricsService = self.settings["site"]
        self.shared: SingleFlight = self.settings["shared"]
        self.connections: Connections = self.settings["connections"]
        self.stream = cast(HTTP1Connection, self.request.connection).stream
        self.connections.asked(self.stream)

    def set_default_headers(self) -> None:
        """Say what is served in a way that no browser second-guesses."""
        self.clear_header("Server")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Content-Security-Policy", self.policy)
        door: AccessControl | None = self.settings["door"]
        for name, value in door.headers.items() if door else ():
            self.set_header(name, value)

    async def prepare(self) -> None:
        """Let in whom the door admits."""
        door: AccessControl | None = self.settings["door"]
        if door:
            context = getattr(self.stream.socket, "context", None)
            authorization = self.request.headers.get("Authorization", "")
            client = str(self.request.remote_ip)
            status = await door.admit(context, authorization, client)
            if status == HTTPStatus.MISDIRECTED_REQUEST:
                # Clients repeat what they asked over a connection that was kept.
                self.stream.close()
                raise Finish
            if status == HTTPStatus.INTERNAL_SERVER_ERROR:
                self.send_error(status, reason=SHUT)
            elif status != HTTPStatus.OK:
                self.send_error(status)

    def compute_etag(self) -> None:
        """Spare the hash of each body: no two scrapes are alike."""

    async def get(self) -> None:
        """Answer; each page has its own."""
        raise NotImplementedError

    async def head(self) -> None:
        """Answer HEAD as GET; tornado leaves the body out."""
        await self.get()

    def finish(
        self, chunk: str | bytes | dict[str, object] | None = None
    ) -> asyncio.Future[None]:
        """Send the answer, to a client that takes it in time."""
        written = super().finish(chunk)
        self.connections.answered(self.stream, written)
        return written

    def write_error(self, status_code: int, **_: object) -> None:
        """Name the status in plain text, and nothing of the request."""
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        if status_code in HEADERS_OF_STATUS:
            self.set_header(*HEADERS_OF_STATUS[status_code])
        self.finish(f"{status_code} {self._reason}\n")


class Metrics(Page):
    """The exposition, in the format and encoding that the client asks for."""

    async def get(self) -> None:
        """Render off the event loop, then send what all who ask now have in common."""
        encode, content_type = negotiate(self.request.headers.get("Accept", ""))
        accepted = qualities(self.request.headers.get("Accept-Encoding", ""))
        names = self.get_query_arguments("name[]")
        zipped = bool(accepted.get("gzip")) and not names

        def render() -> bytes:
            text = encode(self.site.registry.collect())
            return gzip.compress(text, GZIP_LEVEL) if zipped else text

        body = await self.shared.get((encode, zipped), render)
        if names:
            body = only(body, names)
        self.set_header("Content-Type", content_type)
        self.set_header("Vary", "Accept, Accept-Encoding")
        if zipped:
            self.set_header("Content-Encoding", "gzip")
        await self.send(body)

    async def send(self, body: bytes) -> None:
        """Send *body* without a copy of it: first the headers, then what is shared."""
        self.set_header("Content-Length", len(body))
        try:
            await asyncio.wait_for(self.flush(), WRITE_SECONDS)
        except (StreamClosedError, TimeoutError):
            log.debug("client left", extra={"client": self.request.remote_ip})
        else:
            self.finish(body)


class Landing(Page):
    """What goes on, and links, for a person."""

    policy = page.POLICY

    async def get(self) -> None:
        """Render off the event loop, once for all who look now."""
        overviews: SummaryReader = self.settings["overviews"]
        path = self.site.telemetry_path

        def render() -> str:
            return page.render(overviews.take(), path, time.time())

        self.set_header("Cache-Control", "no-store")
        self.finish(await self.shared.get("landing", render))


class Healthy(Page):
    """Whether the event loop runs."""

    async def get(self) -> None:
        """Answer."""
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("Healthy.\n")


class Ready(Page):
    """Whether a scrape would tell the truth."""

    async def get(self) -> None:
        """Answer 200 if all probes are attached, 503 if not."""
        ready = self.site.ready()
        self.set_status(200 if ready else 503)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("Ready.\n" if ready else "Not ready: a probe is not attached.\n")


class NotFound(Page):
    """Any other path."""

    async def get(self) -> None:
        """Answer 404."""
        self.send_error(404)


def application(
    site: MetricsService, shared: SingleFlight, door: AccessControl | None
) -> Application:
    """Return the routes; its settings want "connections" before the first request."""
    return Application(
        [
            (re.escape(site.telemetry_path), Metrics),
            ("/", Landing),
            ("/-/healthy", Healthy),
            ("/-/ready", Ready),
        ],
        default_handler_class=NotFound,
        log_function=_log_request,
        site=site,
        shared=shared,
        overviews=SummaryReader(site.registry.collect),
        door=door,
    )


def _log_request(handler: RequestHandler) -> None:
    log.debug(
        "request",
        extra={
            "method": handler.request.method,
            "path": handler.request.path,
            "status": handler.get_status(),
            "client": handler.request.remote_ip,
            "seconds": round(handler.request.request_time(), 6),
        },
    )
