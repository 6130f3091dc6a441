"""
The hosts of tools.bench.fleet: many exporters in one process.

Each host serves the page of a real exporter with figures of its own. `python -m
tools.bench.fleet_hosts PAGE HOSTS SECONDS` prints the addresses of HOSTS sockets on
loopback as JSON. The process ends when its standard input is closed, or after SECONDS.
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

from fanotify_exporter.metrics.pages import GZIP_LEVEL
from fanotify_exporter.web.sockets import address, listen


# Number of hosts in the benchmark.
HOSTS = 200
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

Step = Callable[[float], float]

# How a value changes with each scrape, by a pattern of its name. Every counter changes,
# so that the cost is an upper bound: on real hosts, many counters stay the same.
STEPS: tuple[tuple[str, Step | None], ...] = (
    (r"limit|_info|attached|_max_|success|watchdog|start_time", None),
    (r"_seconds_total", lambda v: v + random.random() / 100),
    (r"_total", lambda v: v + random.randrange(20)),
    # All new observations are in the first bucket, so that buckets stay cumulative.
    (r"_(bucket|count|sum)$", lambda v: v + 10),
    (r"_duration_seconds", lambda v: v * random.uniform(0.7, 1.4)),
    (r"_bytes", lambda v: v + 4096 * random.randrange(-2, 3)),
    (r"", lambda v: max(0, v + random.randrange(-1, 2))),
)


def step_of(line: str) -> Step | None:
    """Return the function that changes the value of *line*, None if it is constant."""
    name = re.split("[{ ]", line)[0]
    return next(step for pattern, step in STEPS if re.search(pattern, name))


class Host:
    """A host whose page changes with each scrape."""

    def __init__(self, page: str) -> None:
        """Use the names and labels of *page*, and values of the same magnitude."""
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
    """Answer a request as the exporter does: OpenMetrics with gzip."""
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
    """Serve *hosts* hosts, print their addresses, and wait for the end."""
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
    os.nice(-10)  # real hosts do not compete with Prometheus for CPU time
    asyncio.run(
        serve(Path(sys.argv[1]).read_text(), int(sys.argv[2]), int(sys.argv[3]))
    )
