"""
Run the exporter under load for half an hour: `python -m tools.bench.soak`.

Memory, descriptors and threads must not grow. The installed exporter is scraped in each
format, while

- an unprivileged user makes calls without pause, each with another mask, until the
  section of the map for unprivileged users is full, and after that;
- 200 processes create, share and close groups;
- clients connect, send an incomplete request or nothing, and disconnect or stay.

Prints a row every few minutes, and at the end the numbers of calls made and counted.
Needs root.
"""

from __future__ import annotations

import argparse
import math
import mmap
import os
import random
import re
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Self

from tools.bench.rounds import table
from tools.harness.churn import CHURN
from tools.harness.compiled import NATIVE, program
from tools.harness.listeners import NEW_PIDS, as_user, listening
from tools.harness.plans import NOBODY
from tools.harness.serving import LISTEN, Exporter, samples, serving


# comm of the caller.
FLOOD = "flood"
# Value of the label comm of calls without a place in the map.
OTHER = "[other: map full]"
# More keys than the map has room for, and at most as many as caller.c accepts.
KEYS = 60_000
ROWS = 6
SCRAPE_EVERY_SECONDS = 1.0
SCRAPES: tuple[Mapping[str, str], ...] = (
    {},
    {"Accept-Encoding": "gzip"},
    {"Accept": "application/openmetrics-text; version=1.0.0"},
)
# The bytes that a bad client sends before it stops.
OPENINGS = (
    b"",
    b"\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: a",
    b"POST / HTTP/1.1\r\n\r\n",
)
# Maximum number of connections that bad clients keep open.
MAX_LINGERING = 40


@dataclass(slots=True)
class Window:
    """The maxima of one row of the table, and the durations of its scrapes."""

    scrape_seconds: list[float] = field(default_factory=list)
    scraped_bytes: int = 0
    resident_kb: int = 0
    descriptors: int = 0
    threads: int = 0


class Load:
    """Scrape an exporter and disturb it by bad clients during the block."""

    def __init__(self, exporter: Exporter) -> None:
        """Prepare the threads; none runs yet."""
        host, port = exporter.addresses[0].rsplit(":", 1)
        self._address = host, int(port)
        self._pid = exporter.pid
        self._stop = threading.Event()
        self.window = Window()
        self._threads = [
            threading.Thread(target=work) for work in (self._scrape, self._disturb)
        ]

    def __enter__(self) -> Self:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for each in self._threads:
            each.join()

    def _scrape(self) -> None:
        """Scrape once a second, in each format in turn."""
        turn = 0
        while not self._stop.wait(SCRAPE_EVERY_SECONDS):
            connection = HTTPConnection(*self._address, timeout=60)
            started = time.monotonic()
            connection.request("GET", "/metrics", headers=SCRAPES[turn % len(SCRAPES)])
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200
            connection.close()
            self._record(time.monotonic() - started, len(body))
            turn += 1

    def _record(self, seconds: float, size: int) -> None:
        """Add a scrape, and the resources of the exporter, to the window."""
        window = self.window
        status = Path(f"/proc/{self._pid}/status").read_text()
        resident, threads = (
            int(re.findall(rf"^{name}:\s+(\d+)", status, re.MULTILINE)[0])
            for name in ("VmRSS", "Threads")
        )
        descriptors = len(os.listdir(f"/proc/{self._pid}/fd"))  # noqa: PTH208
        window.scrape_seconds.append(seconds)
        window.scraped_bytes = max(window.scraped_bytes, size)
        window.resident_kb = max(window.resident_kb, resident)
        window.threads = max(window.threads, threads)
        window.descriptors = max(window.descriptors, descriptors)

    def _disturb(self) -> None:
        """Connect, send an incomplete request, and close some of the connections."""
        chance = random.Random(11)
        lingering: list[socket.socket] = []
        while not self._stop.wait(0.05):
            client = socket.create_connection(self._address, timeout=10)
            client.sendall(chance.choice(OPENINGS))
            lingering.append(client)
            if len(lingering) > MAX_LINGERING or chance.random() < 0.5:
                lingering.pop(chance.randrange(len(lingering))).close()
        for client in lingering:
            client.close()


@contextmanager
def flood(folder: Path) -> Iterator[None]:
    """Make calls without pause as another user; calls_of() returns their number."""
    chance = random.Random(23)
    plan = "".join(f"1 {chance.getrandbits(64):x} 1\n" for _ in range(KEYS))
    progress = folder / "progress"
    progress.write_bytes(bytes(mmap.PAGESIZE))
    progress.chmod(0o666)
    command: list[str | Path] = [
        program(NATIVE),
        FLOOD,
        "1",
        "/",
        "native",
        "fanotify_mark",
        progress,
    ]
    process = subprocess.Popen(
        ["nice", *as_user(NOBODY), *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    with process:
        assert process.stdin
        process.stdin.write(plan.encode())
        process.stdin.close()
        try:
            yield
        finally:
            process.kill()


def counted(exporter: Exporter) -> int:
    """Return the number of calls of the flood that the exporter counts."""
    calls = samples(exporter.get().body.decode(), "fanotify_mark_calls_total")
    names = FLOOD, OTHER
    return sum(int(each.value) for each in calls if each.labels["comm"] in names)


def row(minutes: float, window: Window) -> tuple[str, ...]:
    """Return the row of *window* in the table."""
    scrapes = sorted(window.scrape_seconds) or [math.nan]
    return (
        f"{minutes:.0f}",
        str(len(window.scrape_seconds)),
        f"{scrapes[len(scrapes) // 2]:.2f}",
        f"{scrapes[-1]:.2f}",
        f"{window.scraped_bytes / 1e6:.1f}",
        f"{window.resident_kb / 1000:.1f}",
        str(window.descriptors),
        str(window.threads),
    )


HEAD = (
    "until minute",
    "scrapes",
    "median, s",
    "longest, s",
    "MB, largest",
    "RSS, MB, most",
    "descriptors, most",
    "threads, most",
)


def soak(minutes: float) -> None:
    """Run the load for *minutes* and print the table."""
    rows = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)
        exporter = stack.enter_context(serving(folder / "log", LISTEN))
        stack.enter_context(listening(CHURN, prefix=NEW_PIDS))
        time.sleep(5)  # the keys of these processes must be in the map first
        with flood(folder), Load(exporter) as load:
            for number in range(1, ROWS + 1):
                time.sleep(minutes * 60 / ROWS)
                window, load.window = load.window, Window()
                rows.append(row(number * minutes / ROWS, window))
                print(f"row {number} of {ROWS}", flush=True)
        begun, ended = calls_of(folder)
        found = counted(exporter)
        log = exporter.later_lines()
    print(table(HEAD, rows))
    print(f"calls made: {ended} to {begun}, counted: {found}")
    print(f"log lines: {len(log)}", *log[:5], sep="\n")


def calls_of(folder: Path) -> tuple[int, int]:
    """Return the numbers of calls that the flood began and finished."""
    begun, ended = struct.unpack_from("=QQ", (folder / "progress").read_bytes())
    return begun, ended


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=30, help="default: 30")
    soak(parser.parse_args().minutes)
