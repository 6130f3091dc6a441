"""Serve HTTP on listening sockets until an event is set."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

# tornado imports this module at the first connection. An import opens files, and may
# wait for a permission listener (fanotify(7)) that does not answer.
import tornado.platform.asyncio  # noqa: F401

from fanotify_exporter.metrics.pages import ScrapePages
from fanotify_exporter.web.application import make_application
from fanotify_exporter.web.connections import Connections
from fanotify_exporter.web.service import MetricsService
from fanotify_exporter.web.single_flight import SingleFlight
from fanotify_exporter.web.sockets import address
from fanotify_exporter.web.worker import Worker


if TYPE_CHECKING:  # imports YAML and bcrypt, which only --web.config.file needs
    from fanotify_exporter.web.access import AccessControl

Progress = Callable[[], Awaitable[object]]

log = logging.getLogger(__name__)


async def _no_watchdog(_: Progress) -> None:
    """Return at once."""


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """
    Callbacks of the server.

    Attributes:
        on_started: called with the listen addresses once requests are answered.
        on_stopping: called when the server begins to stop.
        watchdog: run from the start to the stop. Its argument returns an awaitable
            that completes once the event loop and the scrape thread have made
            progress.
    """

    on_started: Callable[[Sequence[str]], None] = lambda _: None
    on_stopping: Callable[[], None] = lambda: None
    watchdog: Callable[[Progress], Coroutine[Any, Any, None]] = _no_watchdog


async def serve(
    service: MetricsService,
    sockets: Sequence[socket.socket],
    stop: asyncio.Event,
    access: AccessControl | None = None,
    lifecycle: Lifecycle | None = None,
) -> None:
    """
    Serve *service* on *sockets* until *stop* is set.

    Args:
        access: authorizes connections and requests; None answers every client.
        lifecycle: callbacks for the start, the watchdog and the stop.
    """
    lifecycle = lifecycle or Lifecycle()
    logging.getLogger("tornado.general").addFilter(filter_tornado)
    worker = Worker("scrape")
    single_flight = SingleFlight(
        worker,
        begin=lambda: ScrapePages(service.registry.scrape()),
        end=lambda pages: pages.scrape.end(),
    )
    application = make_application(service, single_flight, access)
    connections = Connections(
        application,
        access.tls_context if access else lambda: None,
        service.max_connections,
    )
    application.settings["connections"] = connections
    for each in sockets:
        connections.accept_on(each)
    lifecycle.on_started([address(each) for each in sockets])
    tasks = [asyncio.create_task(lifecycle.watchdog(lambda: worker.run(_nothing)))]
    if access:
        tasks.append(asyncio.create_task(access.report_stalls()))
    await stop.wait()
    lifecycle.on_stopping()
    for task in tasks:
        task.cancel()
    await connections.close()
    worker.stop()


def _nothing() -> None:
    """Do nothing. Queued behind scrapes to show that the worker makes progress."""


def filter_tornado(record: logging.LogRecord) -> bool:
    """
    Return whether to log a record of tornado.

    Records without an exception, or with an OSError, are about the behaviour of
    clients, and become debug records. Other exceptions are bugs.
    """
    error = record.exc_info[1] if record.exc_info else None
    if error and not isinstance(error, OSError):
        return True
    record.levelno, record.levelname = logging.DEBUG, "DEBUG"
    return log.isEnabledFor(logging.DEBUG)
