"""
Many hosts in one process: each serves a real exporter's page with figures of its own.

``python -m tools.bench.fleet_hosts PAGE HOSTS SECONDS`` prints the addresses, each a
socket on loopback, as JSON; it ends with its standard input, or after SECONDS.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import random
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, HTTPServerRequest, ResponseStartLine

from fanotify_exporter.web.handlers.metrics import GZIP_LEVEL
from fanotify_exporter.web.sockets import address, listen


OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

Step = Callable[[float], float]

# What a value is at the next scrape. Every counter moves, which is more than hosts do.
STEPS: tuple[tuple[str, Step | None], ...] = (
    (r"_created|limit|_info|attached|_max_|success|watchdog|start_time", None),
    (r"_seconds_total", lambda v: v + random.random() / 100),
    (r"_total", lambda v: v + random.randrange(20)),
    (r"_duration_seconds", lambda v: v * random.uniform(0.7, 1.4)),
    (r"_bytes", lambda v: v + 4096 * random.randrange(-2, 3)),
    (r"", lambda v: max(0, v + random.randrange(-1, 2))),
)


def step_of(line: str) -> Step | None:
    """Return how the value of a sample's line changes, None if it does not."""
    name = re.split("[{ ]", line)[0]
    return next(step for pattern, step in STEPS if re.search(pattern, name))


class Host:
    """One host's page, which is another at each scrape."""

    def __init__(self, page: str) -> None:
        """Take names and labels of *page*, and values in its magnitude."""
        scale = random.uniform(0.5, 2)
        self._lines: list[tuple[str, Step | None]] = []
        self._values: list[float] = []
        for line in page.splitlines():
            text, _, value = line.rpartition(" ")
            step = None if line.startswith("#") else step_of(line)
            self._lines.append((text if step else line, step))
            self._values.append(round(float(value) * scale) if step else 0)

    def page(self) -> str:
        """Return the next page."""
        out = []
        for place, (text, step) in enumerate(self._lines):
            if step:
                self._values[place] = value = step(self._values[place])
                out.append(f"{text} {float(value)}\n")
            else:
                out.append(f"{text}\n")
        return "".join(out)


def answer(host: Host, request: HTTPServerRequest) -> None:
    """Answer as the exporter does: OpenMetrics, gzip."""
    body = gzip.compress(host.page().encode(), GZIP_LEVEL)
    headers = HTTPHeaders(
        {
            "Content-Type": OPENMETRICS,
            "Content-Encoding": "gzip",
            "Content-Length": str(len(body)),
        }
    )
    connection = request.connection
    assert connection
    connection.write_headers(ResponseStartLine("HTTP/1.1", 200, "OK"), headers, body)
    connection.finish()


async def serve(page: str, hosts: int, seconds: float) -> None:
    """Serve, say where, and wait for the end."""
    addresses = []
    for _ in range(hosts):
        (listening,) = listen(["127.0.0.1:0"])
        HTTPServer(partial(answer, Host(page))).add_socket(listening)
        addresses.append(address(listening))
    print(json.dumps(addresses), flush=True)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
    with suppress(TimeoutError):
        await asyncio.wait_for(ended.wait(), seconds)


if __name__ == "__main__":
    os.nice(-10)  # hosts of their own would not wait for the Prometheus that asks them
    asyncio.run(
        serve(Path(sys.argv[1]).read_text(), int(sys.argv[2]), int(sys.argv[3]))
    )
