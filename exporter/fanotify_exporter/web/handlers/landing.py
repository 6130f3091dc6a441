"""The landing page."""

from __future__ import annotations

import os
import time

from fanotify_exporter.landing import page
from fanotify_exporter.landing.summary_reader import SummaryReader
from fanotify_exporter.metrics.pages import ScrapePages
from fanotify_exporter.web.handlers.base import BaseHandler


class LandingHandler(BaseHandler):
    """Serve a page with the most important figures, for people."""

    policy = page.POLICY

    async def get(self) -> None:
        """Send a page made of the next scrape."""
        summaries: SummaryReader = self.settings["summaries"]
        path = self.service.telemetry_path

        def make(pages: ScrapePages) -> bytes:
            summary = summaries.read(pages.scrape.collect())
            return page.render(
                summary,
                path,
                os.uname().nodename,
                time.time(),
                waits=self.service.waits(),
                unmarked=self.service.unmarked(),
            )

        self.set_header("Cache-Control", "no-store")
        self.finish(await self.next_scrape("landing", make))
