"""Health and readiness, and the response to unknown paths."""

from __future__ import annotations

from http import HTTPStatus

from fanotify_exporter.web.handlers.base import PLAIN_TEXT, BaseHandler


class HealthyHandler(BaseHandler):
    """Answer 200 as long as the event loop runs."""

    async def get(self) -> None:
        """Answer 200."""
        self.set_header("Content-Type", PLAIN_TEXT)
        self.finish("Healthy.\n")


class ReadyHandler(BaseHandler):
    """Answer whether scrapes are complete."""

    async def get(self) -> None:
        """Answer 200 if all probes are attached, 503 otherwise."""
        ready = self.service.ready()
        self.set_status(HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE)
        self.set_header("Content-Type", PLAIN_TEXT)
        self.finish(
            "Ready.\n" if ready else "Not ready: a probe is not attached; see /.\n"
        )


class NotFoundHandler(BaseHandler):
    """Answer 404 for all other paths."""

    async def get(self) -> None:
        """Answer 404."""
        self.send_error(HTTPStatus.NOT_FOUND)
