"""The tornado application: which handler serves which path."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from tornado.web import Application, RequestHandler

from fanotify_exporter.landing.summary_reader import SummaryReader
from fanotify_exporter.metrics.pages import ScrapePages
from fanotify_exporter.web.handlers.health import (
    HealthyHandler,
    NotFoundHandler,
    ReadyHandler,
)
from fanotify_exporter.web.handlers.landing import LandingHandler
from fanotify_exporter.web.handlers.metrics import MetricsHandler
from fanotify_exporter.web.service import MetricsService
from fanotify_exporter.web.single_flight import SingleFlight


if TYPE_CHECKING:  # imports YAML and bcrypt, which only --web.config.file needs
    from fanotify_exporter.web.access import AccessControl


log = logging.getLogger(__name__)


def make_application(
    service: MetricsService,
    single_flight: SingleFlight[ScrapePages],
    access: AccessControl | None,
) -> Application:
    """
    Return the application that publishes *service*.

    The caller adds the Connections as settings["connections"] before the first
    request.
    """
    return Application(
        [
            (re.escape(service.telemetry_path), MetricsHandler),
            ("/", LandingHandler),
            ("/-/healthy", HealthyHandler),
            ("/-/ready", ReadyHandler),
        ],
        default_handler_class=NotFoundHandler,
        log_function=_log_request,
        service=service,
        single_flight=single_flight,
        summaries=SummaryReader(service.absences, service.limitations),
        access=access,
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
