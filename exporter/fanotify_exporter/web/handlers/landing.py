"""The landing page."""

from __future__ import annotations

import os
import time

from fanotify_exporter.landing import page
from fanotify_exporter.landing.summary_reader import SummaryReader
from fanotify_exporter.web.handlers.base import BaseHandler


class LandingHandler(BaseHandler):
    """Serve a page with the most important figures, for people."""

    policy = page.POLICY

    async def get(self) -> None:
        """Render on the scrape thread, or send the result of a concurrent request."""
        summaries: SummaryReader = self.settings["summaries"]
        path = self.service.telemetry_path

        def render() -> bytes:
            return page.render(summaries.read(), path, os.uname().nodename, time.time())

        self.set_header("Cache-Control", "no-store")
        self.finish(await self.single_flight.get("landing", render))
