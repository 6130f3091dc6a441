"""Compare HTTP servers for the exporter: memory, latency, slow clients, stopping.

Candidates: tornado, cheroot (WSGI), uvicorn (ASGI, h11) and, as baseline,
prometheus_client's own start_http_server. waitress is left out: it has no TLS.
Each one serves the same registry over TLS on 127.0.0.1 from a child process, with the
library's own time limits set to 10 s where it has any.

Run it with ``python -m tools.bench.http_servers [--rounds 3]`` (about 9 minutes a
round; Linux, the openssl command). It needs more than the exporter does:
``pip install tornado cheroot uvicorn h11``.
"""

# ruff: noqa: PLC0415 (each server imports its own: none pays for another's imports)
from __future__ import annotations

import argparse
import gzip
import math
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException, HTTPSConnection
from importlib import import_module
from pathlib import Path

from prometheus_client import CollectorRegistry, make_asgi_app, make_wsgi_app
from prometheus_client import start_http_server as start_prometheus
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.exposition import choose_encoder


HOST = "127.0.0.1"
LIMIT = 10  # seconds that a server gives a client, where it can be told
PATIENCE = 15.0  # seconds that the good client gives a scrape
GIVE_UP = 3  # failures in a row that end a series of scrapes
HOLD = 30.0  # seconds after which the slow clients still connected are counted
SLOW_CLIENTS = {"stalled": 20, "slow headers": 50, "idle": 200}
REQUEST = b"GET /metrics HTTP/1.1\r\nHost: a\r\nX-Slow: " + 999 * b"a"

Figures = dict[str, list[float]]


class Series:
    """A collector that builds `count` samples with five labels at every scrape."""

    def __init__(self, count: int) -> None:
        self.count = count

    def collect(self) -> Iterable[Metric]:
        labels = ["comm", "action", "mark_type", "flags", "mask"]
        family = CounterMetricFamily("calls", "Calls.", labels=labels)
        for n in range(self.count):
            row = [f"comm-{n}", "add", "inode", "FAN_MARK_ADD", f"FAN_OPEN|{n:#x}"]
            family.add_metric(row, n)
        yield family


def serve_tornado(registry: CollectorRegistry, cert: str, key: str) -> None:
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    from tornado.httpserver import HTTPServer
    from tornado.netutil import bind_sockets
    from tornado.web import Application, RequestHandler

    worker = ThreadPoolExecutor(1)

    class Metrics(RequestHandler):
        async def get(self) -> None:
            encode, kind = choose_encoder(self.request.headers.get("Accept", ""))
            loop = asyncio.get_running_loop()
            text = await loop.run_in_executor(
                worker, lambda: gzip.compress(encode(registry))
            )
            self.set_header("Content-Type", kind)
            self.set_header("Content-Encoding", "gzip")
            await self.finish(text)

    async def main() -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(cert, key)
        server = HTTPServer(
            Application([("/metrics", Metrics)]),
            ssl_options=context,
            idle_connection_timeout=LIMIT,
            body_timeout=LIMIT,
            max_header_size=16384,
        )
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        sockets = bind_sockets(0, HOST)
        server.add_sockets(sockets)
        print(sockets[0].getsockname()[1], flush=True)
        await stop.wait()
        server.stop()
        await server.close_all_connections()

    asyncio.run(main())


def serve_cheroot(registry: CollectorRegistry, cert: str, key: str) -> None:
    server = import_module("cheroot.wsgi").Server(
        (HOST, 0),
        make_wsgi_app(registry),
        numthreads=10,
        request_queue_size=128,
        timeout=LIMIT,
        shutdown_timeout=1,
    )
    tls = import_module("cheroot.ssl.builtin")
    server.ssl_adapter = tls.BuiltinSSLAdapter(cert, key)
    server.max_request_header_size = 16384
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.prepare()
    print(server.bind_addr[1], flush=True)
    try:
        server.serve()
    finally:
        server.stop()


def serve_uvicorn(registry: CollectorRegistry, cert: str, key: str) -> None:
    uvicorn = import_module("uvicorn")
    config = uvicorn.Config(
        make_asgi_app(registry),
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        log_level="critical",
        access_log=False,
        ssl_certfile=cert,
        ssl_keyfile=key,
        timeout_keep_alive=LIMIT,
        timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=16384,
    )
    # asyncio sets TCP_NODELAY only where the protocol is spelled out.
    listener = socket.socket(proto=socket.IPPROTO_TCP)
    listener.bind((HOST, 0))
    listener.listen(128)
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(config).run([listener])


def serve_prometheus(registry: CollectorRegistry, cert: str, key: str) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    server, thread = start_prometheus(0, HOST, registry, cert, key)
    print(server.server_port, flush=True)
    stop.wait()
    server.shutdown()
    thread.join()


SERVERS: dict[str, Callable[[CollectorRegistry, str, str], None]] = {
    "tornado": serve_tornado,
    "cheroot": serve_cheroot,
    "uvicorn": serve_uvicorn,
    "prometheus": serve_prometheus,
}


class Child:
    """A server in a process of its own, and its good client."""

    def __init__(self, name: str, series: int, folder: Path) -> None:
        self.log = folder / "log"
        command = [sys.executable, __file__, "--serve", name, "--series", str(series)]
        command += ["--folder", str(folder)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        assert self.process.stdout
        self.port = int(self.process.stdout.readline())
        self.tls = ssl.create_default_context(cafile=str(folder / "cert.pem"))
        time.sleep(1)

    def rss(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])

    def count(self, folder: str) -> int:
        """Entries of /proc/PID/fd or /proc/PID/task."""
        return len(list(Path(f"/proc/{self.process.pid}/{folder}").iterdir()))

    def scrape(self) -> float:
        """Seconds from connect to last byte, new connection; infinite on failure."""
        start = time.perf_counter()
        http = HTTPSConnection(HOST, self.port, timeout=PATIENCE, context=self.tls)
        try:
            http.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
            answer = http.getresponse()
            good = answer.status == 200 and b"calls" in gzip.decompress(answer.read())
        except (OSError, EOFError, HTTPException):
            good = False
        finally:
            http.close()
        took = time.perf_counter() - start
        return took if good and took <= PATIENCE else math.inf

    def stop(self) -> float:
        """Seconds from SIGTERM to exit; infinite if it had to be killed after 10 s."""
        start = time.perf_counter()
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            return math.inf
        return time.perf_counter() - start


@contextmanager
def running(name: str, series: int, folder: Path) -> Iterator[Child]:
    child = Child(name, series, folder)
    try:
        yield child
    finally:
        child.process.kill()
        child.process.communicate()


class SlowClients:
    """Clients that connect and never finish a request.

    "stalled" send nothing at all, "idle" nothing after the TLS handshake, "slow
    headers" one byte of a request header per second.
    """

    def __init__(self, child: Child, kind: str, count: int) -> None:
        self.dribble = kind == "slow headers"
        self.open: list[socket.socket] = []
        for _ in range(count):
            plain = socket.socket()
            if kind == "stalled":  # may be left in a full accept queue
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
        for byte in REQUEST:
            self.open = [s for s in self.open if self.alive(s, byte)]
            if time.monotonic() <= self.since + HOLD:
                self.left = len(self.open)
            if self.done.wait(1):
                break

    def alive(self, client: socket.socket, byte: int) -> bool:
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
        self.done.set()
        self.thread.join()
        for client in self.open:
            client.close()


def measure_alone(child: Child, series: int) -> Figures:
    """Memory, and the latency of the good client with nobody else there."""
    figures: Figures = {f"{series} series: RSS at start, kB": [child.rss()]}
    figures[f"{series} series: scrape, ms"] = [child.scrape() for _ in range(100)]
    figures[f"{series} series: RSS after 100, kB"] = [child.rss()]
    return figures


def measure_stop(child: Child) -> Figures:
    """SIGTERM with a half-sent header and a stalled TLS handshake connected."""
    slow = [SlowClients(child, kind, 1) for kind in ("slow headers", "stalled")]
    time.sleep(1)
    took = child.stop()
    for clients in slow:
        clients.close()
    return {"SIGTERM to exit, s (inf: killed)": [took]}


def measure_beside(child: Child, kind: str, count: int) -> Figures:
    """Latency of the good client, and what the server spends, beside slow clients."""
    for _ in range(3):
        child.scrape()
    before = child.rss()
    slow = SlowClients(child, kind, count)
    scrapes: list[float] = []
    spent: list[tuple[int, int, int]] = []
    while len(scrapes) < 20 and scrapes[-GIVE_UP:] != GIVE_UP * [math.inf]:
        scrapes.append(child.scrape())
        spent.append((child.count("task"), child.count("fd"), child.rss() - before))
    time.sleep(max(0.0, slow.since + HOLD - time.monotonic()))
    slow.close()
    threads, fds, rss = map(max, zip(*spent, strict=True))
    return {
        f"{count} {kind}: scrape, ms": scrapes,
        f"{kind}: clients": [slow.opened],
        f"{kind}: dropped within {HOLD:.0f} s": [slow.opened - slow.left],
        f"{kind}: threads of the server": [threads],
        f"{kind}: fds of the server": [fds],
        f"{kind}: RSS growth, kB": [rss],
        f"{kind}: tracebacks logged": [child.log.read_text("latin-1").count("Traceb")],
    }


def measure(name: str, folder: Path) -> Figures:
    """All figures of one server in one round; a fresh process for each situation."""
    with running(name, 30, folder) as child:
        figures = measure_alone(child, 30)
    with running(name, 10_000, folder) as child:
        figures |= measure_alone(child, 10_000) | measure_stop(child)
    for kind, count in SLOW_CLIENTS.items():
        with running(name, 10_000, folder) as child:
            figures |= measure_beside(child, kind, count)
    return figures


def cell(title: str, values: list[float]) -> str:
    """Show the median; of scrapes also the worst good one, and how many failed."""
    if "scrape" not in title:
        return f"{round(statistics.median(values), 2):g}"
    good = [v * 1000 for v in values if v < math.inf]
    spent = f"{statistics.median(good):.0f} / {max(good):.0f}" if good else "-"
    return f"{spent} ({len(values) - len(good)}/{len(values)})"


def print_table(results: dict[str, Figures]) -> None:
    names = list(results)
    lines = [["median / worst (failed/tried)", *names]]
    for title in results[names[0]]:
        lines += [[title, *(cell(title, results[n][title]) for n in names)]]
    for first, *others in lines:
        print(f"{first:36}" + "".join(f"{text:>19}" for text in others))


def compare(rounds: int) -> None:
    results: dict[str, Figures] = {name: defaultdict(list) for name in SERVERS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
        command += " -nodes -days 1 -subj /CN=localhost -keyout key.pem -out cert.pem"
        command += f" -addext subjectAltName=IP:{HOST}"
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
        for turn in range(rounds):
            names = list(SERVERS)
            for server in names[turn % len(names) :] + names[: turn % len(names)]:
                print(f"round {turn + 1}: {server}", file=sys.stderr, flush=True)
                for figure, values in measure(server, folder).items():
                    results[server][figure] += values
    print_table(results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", choices=SERVERS, help=argparse.SUPPRESS)
    parser.add_argument("--series", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        registry = CollectorRegistry()
        registry.register(Series(options.series))
        folder = Path(options.folder)
        pair = str(folder / "cert.pem"), str(folder / "key.pem")
        SERVERS[options.serve](registry, *pair)
    else:
        compare(options.rounds)


if __name__ == "__main__":
    main()
