"""Receive the notifications that Alertmanager sends to a webhook."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from tools.harness.processes import poll


# Twice the longest wait on an idle machine, which is for a resolved alert.
DEADLINE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Notification:
    """
    One alert of a notification.

    Attributes:
        status: "firing" or "resolved".
    """

    receiver: str
    status: str
    labels: dict[str, str]
    annotations: dict[str, str]


@dataclass(frozen=True, slots=True)
class Webhook:
    """A server on loopback that keeps all notifications."""

    address: str
    notifications: list[Notification] = field(default_factory=list)

    def received(self, labels: dict[str, str]) -> list[Notification]:
        """Return the notifications so far whose alerts have at least *labels*."""
        return [
            each
            for each in list(self.notifications)
            if each.labels.items() >= labels.items()
        ]

    def wait_for(self, status: str, labels: dict[str, str]) -> Notification:
        """Wait for a notification of *status* about an alert with *labels*."""

        def found() -> list[Notification]:
            return [each for each in self.received(labels) if each.status == status]

        matches = poll(found, seconds=DEADLINE_SECONDS)
        same_alert = self.received({"alertname": labels["alertname"]})
        assert matches, f"no {status} {labels} in {same_alert}"
        return matches[0]


@contextmanager
def webhook() -> Iterator[Webhook]:
    """Serve on a free port of loopback."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hook = Webhook(f"127.0.0.1:{server.server_port}")
        server.notifications = hook.notifications  # type: ignore[attr-defined]
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield hook
        finally:
            server.shutdown()
            thread.join()


class Handler(BaseHTTPRequestHandler):
    """HTTP handler for Alertmanager's webhook format, version 4."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        received = parse_notification(body)
        self.server.notifications += received  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing: the report of a failed test has the notifications."""


def parse_notification(body: dict[str, Any]) -> list[Notification]:
    """Return the alerts of a notification."""
    return [
        Notification(
            body["receiver"], each["status"], each["labels"], each["annotations"]
        )
        for each in body["alerts"]
    ]
