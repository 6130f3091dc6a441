"""The metrics, in the format and encoding that the client accepts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator
from http import HTTPStatus

from tornado.iostream import StreamClosedError
from tornado.web import Finish

from fanotify_exporter.metrics.negotiation import negotiate, qualities
from fanotify_exporter.metrics.pages import Body, ScrapePages
from fanotify_exporter.metrics.registry import SelectionError
from fanotify_exporter.web import connections
from fanotify_exporter.web.handlers.base import PLAIN_TEXT, BaseHandler


# Bytes that are sent at a time.
WRITE_BYTES = 65_536

log = logging.getLogger(__name__)


class MetricsHandler(BaseHandler):
    """
    Serve the exposition of the registry.

    ``name[]``, ``collect[]`` and ``exclude[]`` select families. The limit of the
    request line bounds their number and length.
    """

    async def get(self) -> None:
        """Send a page of the next scrape."""
        form = negotiate(self.request.headers.get("Accept", ""))
        accepted = qualities(self.request.headers.get("Accept-Encoding", ""))
        gzip = bool(accepted.get("gzip"))
        try:
            selection = self.service.registry.select(
                names=self.get_query_arguments("name[]"),
                collect=self.get_query_arguments("collect[]"),
                exclude=self.get_query_arguments("exclude[]"),
            )
        except SelectionError as error:
            self.set_status(HTTPStatus.BAD_REQUEST)
            self.set_header("Content-Type", PLAIN_TEXT)
            self.finish(f"400 Bad Request: {error}\n")
            return

        def make(pages: ScrapePages) -> Body:
            return pages.body(form, selection, gzip=gzip)

        body = await self.next_scrape((form, selection, gzip), make)
        self.set_header("Content-Type", form.content_type)
        self.set_header("Vary", "Accept, Accept-Encoding")
        if gzip:
            self.set_header("Content-Encoding", "gzip")
        await self._send(body)

    async def _send(self, body: Body) -> None:
        """Send *body* in steps, each when the client has room for more."""
        self.set_header("Content-Length", body.length)
        steps = in_steps(body.pieces)
        last = next(steps)
        try:
            async with asyncio.timeout(connections.WRITE_SECONDS):
                for step in steps:
                    self.write(last)
                    await self.flush()
                    last = step
        except StreamClosedError:
            log.debug("client left", extra={"client": self.request.remote_ip})
            raise Finish from None
        except TimeoutError:
            self.connections.abort(self.stream, "client too slow")
            raise Finish from None
        self.finish(last)


def in_steps(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield *pieces* as steps of at most WRITE_BYTES; small pieces are joined."""
    step: list[bytes] = []
    size = 0
    for piece in pieces:
        for start in range(0, len(piece), WRITE_BYTES):
            part = piece[start : start + WRITE_BYTES]
            if size + len(part) > WRITE_BYTES:
                yield b"".join(step)
                step.clear()
                size = 0
            step.append(part)
            size += len(part)
    yield b"".join(step)
