"""The address that Alertmanager notifies, and what a person reads there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from tools.harness.processes import poll


DEADLINE_SECONDS = 60.0
"""An alert, and more so its end, takes up to half of it on an idle machine."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One alert in a notification: who was told, `firing` or `resolved`, and what."""

    receiver: str
    status: str
    labels: dict[str, str]
    annotations: dict[str, str]


@dataclass(frozen=True, slots=True)
class Webhook:
    """A server on loopback that keeps what it was told."""

    address: str
    notices: list[Notice] = field(default_factory=list)

    def about(self, labels: dict[str, str]) -> list[Notice]:
        """Return the notices so far about alerts that have *labels*, and maybe more."""
        return [
            notice
            for notice in list(self.notices)
            if notice.labels.items() >= labels.items()
        ]

    def told(self, status: str, labels: dict[str, str]) -> Notice:
        """Wait for the first notice of *status* about an alert that has *labels*."""

        def found() -> list[Notice]:
            return [each for each in self.about(labels) if each.status == status]

        notices = poll(found, seconds=DEADLINE_SECONDS)
        of_its_name = self.about({"alertname": labels["alertname"]})
        assert notices, f"no {status} {labels} in {of_its_name}"
        return notices[0]


@contextmanager
def webhook() -> Iterator[Webhook]:
    """Serve on a free port of loopback."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hook = Webhook(f"127.0.0.1:{server.server_port}")
        server.notices = hook.notices  # type: ignore[attr-defined]
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield hook
        finally:
            server.shutdown()
            thread.join()


class Handler(BaseHTTPRequestHandler):
    """Takes notifications of Alertmanager's webhook format, version 4."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.notices += parse_notification(body)  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing: a failed test prints the notices."""


def parse_notification(body: dict[str, Any]) -> list[Notice]:
    """Return the alerts of a notification."""
    return [
        Notice(body["receiver"], each["status"], each["labels"], each["annotations"])
        for each in body["alerts"]
    ]
