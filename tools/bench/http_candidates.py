"""
The HTTP servers that tools.bench.http_servers compares, each in a process of its own.

Each server serves the same registry over TLS on 127.0.0.1, and prints its port.
waitress is not among them, because it has no TLS. `python -m
tools.bench.http_candidates NAME SERIES FOLDER` runs one server, with the certificate in
FOLDER.
"""

# ruff: noqa: PLC0415 (a server's process imports no other server)
from __future__ import annotations

import gzip
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterable
from importlib import import_module

from prometheus_client import CollectorRegistry, make_asgi_app, make_wsgi_app
from prometheus_client import start_http_server as start_prometheus
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.exposition import choose_encoder


HOST = "127.0.0.1"
# Seconds that a server gives a client, for servers with such a setting.
LIMIT = 10


class Series:
    """A collector that makes *count* samples with five labels at every scrape."""

    def __init__(self, count: int) -> None:
        """Store the number of samples."""
        self.count = count

    def collect(self) -> Iterable[Metric]:
        """Yield the family."""
        labels = ["comm", "action", "mark_type", "flags", "mask"]
        family = CounterMetricFamily("calls", "Calls.", labels=labels)
        for n in range(self.count):
            row = [f"comm-{n}", "add", "inode", "FAN_MARK_ADD", f"FAN_OPEN|{n:#x}"]
            family.add_metric(row, n)
        yield family


def serve_tornado(registry: CollectorRegistry, cert: str, key: str) -> None:
    """Serve by tornado, with a worker thread for scrapes."""
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
    """Serve by cheroot (WSGI)."""
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
    """Serve by uvicorn (ASGI) with h11."""
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
    # asyncio sets TCP_NODELAY only on a socket with an explicit protocol.
    listener = socket.socket(proto=socket.IPPROTO_TCP)
    listener.bind((HOST, 0))
    listener.listen(128)
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(config).run([listener])


def serve_prometheus(registry: CollectorRegistry, cert: str, key: str) -> None:
    """Serve by prometheus_client's own server, the baseline."""
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


if __name__ == "__main__":
    name, series, folder = sys.argv[1:]
    registry = CollectorRegistry()
    registry.register(Series(int(series)))
    SERVERS[name](registry, f"{folder}/cert.pem", f"{folder}/key.pem")
