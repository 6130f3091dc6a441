"""The clients of tools.bench.http_servers: a scraper, and slow clients."""

from __future__ import annotations

import gzip
import math
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException, HTTPSConnection
from pathlib import Path

from tools.bench import http_candidates
from tools.bench.http_candidates import HOST


# Seconds after which a scrape has failed.
SCRAPE_SECONDS = 15.0
# Seconds after which the slow clients that are still connected are counted.
HOLD = 30.0
REQUEST = b"GET /metrics HTTP/1.1\r\nHost: a\r\nX-Slow: " + 999 * b"a"


class Child:
    """A server in a child process, and a client that scrapes the server."""

    def __init__(self, name: str, series: int, folder: Path) -> None:
        """Start the server *name*, with the certificate in *folder*."""
        self.log = folder / "log"
        command = [sys.executable, "-m", http_candidates.__name__]
        command += [name, str(series), str(folder)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        assert self.process.stdout
        self.port = int(self.process.stdout.readline())
        self.tls = ssl.create_default_context(cafile=str(folder / "cert.pem"))
        time.sleep(1)

    def rss(self) -> int:
        """Return the resident memory of the server, kB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])

    def count(self, folder: str) -> int:
        """Return the number of entries in /proc/PID/fd or /proc/PID/task."""
        return len(list(Path(f"/proc/{self.process.pid}/{folder}").iterdir()))

    def scrape(self) -> float:
        """
        Scrape on a new connection; return the seconds from connect to last byte.

        Returns infinity if the scrape failed.
        """
        start = time.perf_counter()
        http = HTTPSConnection(
            HOST, self.port, timeout=SCRAPE_SECONDS, context=self.tls
        )
        try:
            http.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
            answer = http.getresponse()
            good = answer.status == 200 and b"calls" in gzip.decompress(answer.read())
        except (OSError, EOFError, HTTPException):
            good = False
        finally:
            http.close()
        took = time.perf_counter() - start
        return took if good and took <= SCRAPE_SECONDS else math.inf

    def stop(self) -> float:
        """Return the seconds from SIGTERM to exit, infinite if longer than 10 s."""
        start = time.perf_counter()
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            return math.inf
        return time.perf_counter() - start


@contextmanager
def running(name: str, series: int, folder: Path) -> Iterator[Child]:
    """Run the server *name* during the block."""
    child = Child(name, series, folder)
    try:
        yield child
    finally:
        child.process.kill()
        child.process.communicate()


class SlowClients:
    """
    Clients that connect and never finish a request.

    Clients of the kind "stalled" send nothing, "idle" nothing after the TLS handshake,
    and "slow headers" one byte of a request header per second.
    """

    def __init__(self, child: Child, kind: str, count: int) -> None:
        """Connect *count* clients of *kind* to *child*."""
        self.dribble = kind == "slow headers"
        self.open: list[socket.socket] = []
        for _ in range(count):
            plain = socket.socket()
            if kind == "stalled":  # may stay in a full accept queue
                plain.settimeout(0)
                plain.connect_ex((HOST, child.port))
                self.open.append(plain)
                continue
            plain.settimeout(5)
            with suppress(OSError):
                plain.connect((HOST, child.port))
                wrapped = child.tls.wrap_socket(plain, server_hostname=HOST)
                wrapped.settimeout(0)
                self.open.append(wrapped)
        self.opened = self.left = len(self.open)
        self.since = time.monotonic()
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.live, daemon=True)
        self.thread.start()

    def live(self) -> None:
        """Send bytes, drop closed connections, and count the clients until HOLD."""
        for byte in REQUEST:
            self.open = [s for s in self.open if self.alive(s, byte)]
            if time.monotonic() <= self.since + HOLD:
                self.left = len(self.open)
            if self.done.wait(1):
                break

    def alive(self, client: socket.socket, byte: int) -> bool:
        """Tell whether *client* is connected; a slow client sends *byte*."""
        try:
            if self.dribble:
                client.send(bytes([byte]))
            while client.recv(4096):
                pass
        except (ssl.SSLWantReadError, BlockingIOError):
            return True
        except OSError:
            pass
        client.close()
        return False

    def close(self) -> None:
        """Close all connections."""
        self.done.set()
        self.thread.join()
        for client in self.open:
            client.close()
