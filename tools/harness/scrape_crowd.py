"""Clients that scrape without a pause, each another part of the metrics."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException


# A list of families that a client asks for, and what it accepts.
Ask = tuple[str, dict[str, str]]


class Crowd:
    """The answers that the clients got so far."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.answers = 0
        self.statuses: set[int] = set()

    def ask_on(self, address: str, ask: Ask) -> None:
        """Scrape without a pause, over a new connection after a failure."""
        path, headers = ask
        while not self.stopping.is_set():
            connection = HTTPConnection(address, timeout=60)
            with suppress(OSError, HTTPException):
                while not self.stopping.is_set():
                    connection.request("GET", path, headers=headers)
                    answer = connection.getresponse()
                    answer.read()
                    self.statuses.add(answer.status)
                    self.answers += 1
            connection.close()


def different_asks(families: Sequence[str], number: int) -> list[Ask]:
    """Return *number* requests: all select the largest family, and no two the same."""
    accepts = ("application/openmetrics-text", "text/plain")
    return [
        (
            "/metrics?name[]=fanotify_mark_calls"
            + "".join(
                f"&name[]={family}"
                for place, family in enumerate(families)
                if (each + 1) >> place & 1
            ),
            {
                "Accept": accepts[each % 2],
                "Accept-Encoding": ("gzip", "identity")[each // 2 % 2],
            },
        )
        for each in range(number)
    ]


@contextmanager
def crowd(address: str, asks: Sequence[Ask]) -> Iterator[Crowd]:
    """Let one client for each of *asks* scrape until the end of the context."""
    found = Crowd()
    threads = [
        threading.Thread(target=found.ask_on, args=(address, ask)) for ask in asks
    ]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        found.stopping.set()
        for thread in threads:
            thread.join()
