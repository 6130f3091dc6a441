"""The real server on a loopback port, and clients good and bad."""

from __future__ import annotations

import asyncio
import gzip
import logging
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import TypeVar

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from exporter import __version__, web
from exporter.errors import ExporterError, ListenError, UsageError
from exporter.exposition import encode_openmetrics, encode_text
from exporter.web import Site


T = TypeVar("T")

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PLAIN = "text/plain; charset=utf-8"
HTML = "text/html; charset=UTF-8"

HUGE = 12_000_000
"""More bytes than the kernel buffers for a sender (net.ipv4.tcp_wmem)."""


class Fishes:
    """Two families that do not change."""

    def describe(self) -> Iterator[Metric]:
        yield CounterMetricFamily("fishes", "Fishes.")
        yield GaugeMetricFamily("ponds", "Ponds.")

    def collect(self) -> Iterator[Metric]:
        fishes = CounterMetricFamily("fishes", "Fishes.", labels=("name",))
        fishes.add_metric(("\u00f8re",), 23, created=5.0)
        yield fishes
        yield GaugeMetricFamily("ponds", "Ponds.", value=1)


class Waiting(Fishes):
    """A scrape that takes until the test lets it go on."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.may_end = threading.Event()

    def collect(self) -> Iterator[Metric]:
        self.started.set()
        assert self.may_end.wait(5)
        yield from super().collect()


class Huge(Fishes):
    """More text than the kernel buffers for a client that does not read."""

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("ponds", "x" * HUGE, value=1)


class Failing(Fishes):
    """A scrape that ends in a bug."""

    def collect(self) -> Iterator[Metric]:
        raise RuntimeError("the inmost secret")


def site_of(
    collector: Fishes | None = None,
    *,
    telemetry_path: str = "/metrics",
    ready: bool = True,
) -> Site:
    registry = CollectorRegistry()
    registry.register(collector or Fishes())
    return Site(registry, telemetry_path, lambda: ready)


def serve(site: Site, client: Callable[[int], T]) -> T:
    """Serve *site* on loopback while *client* talks to its port, then stop it."""
    sockets = web.listen(["127.0.0.1:0"])
    port = sockets[0].getsockname()[1]

    async def run() -> T:
        serving = asyncio.create_task(web.serve(site, sockets, lambda _: None))
        try:
            return await asyncio.to_thread(client, port)
        finally:
            if not serving.done():
                signal.raise_signal(signal.SIGTERM)
            await serving

    return asyncio.run(run())


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


def request(port: int, path: str, method: str = "GET", **headers: str) -> Answer:
    """Make one request; underscores in header names stand for dashes."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, headers=names)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return Answer(answer.status, dict(answer.getheaders()), body)


def ask(site: Site, path: str, method: str = "GET", **headers: str) -> Answer:
    return serve(site, lambda port: request(port, path, method, **headers))


def rest_of(connection: socket.socket) -> bytes:
    """Read until the server closes, in whatever way it does."""
    received = b""
    with suppress(ConnectionError):
        while part := connection.recv(65536):
            received += part
    return received


def exchange(port: int, sent: bytes) -> bytes:
    """Send bytes as they are; return all that comes until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        with suppress(OSError):  # closed while we were still sending
            connection.sendall(sent)
            if b"\r\n\r\n" not in sent:  # the server would wait for the rest
                connection.shutdown(socket.SHUT_WR)
        return rest_of(connection)


@pytest.mark.parametrize(
    ("path", "content_type", "start"),
    [
        ("/", HTML, b"<!doctype html>"),
        ("/metrics", TEXT, b"# HELP fishes_total Fishes.\n"),
        ("/-/healthy", PLAIN, b"Healthy.\n"),
        ("/-/ready", PLAIN, b"Ready.\n"),
    ],
)
def test_routes(path: str, content_type: str, start: bytes) -> None:
    """Each page is there, says what it is, and lets no browser guess otherwise."""
    answer = ask(site_of(), path)
    assert 200 == answer.status
    assert content_type == answer.headers["Content-Type"]
    assert "nosniff" == answer.headers["X-Content-Type-Options"]
    assert "Server" not in answer.headers
    assert answer.body.startswith(start)


def test_metrics_are_the_registrys() -> None:
    """A scrape is what the registry collects, as text."""
    assert encode_text(Fishes().collect()) == ask(site_of(), "/metrics").body


def test_query_is_not_part_of_the_path() -> None:
    """Parameters that the exporter does not know change nothing."""
    assert encode_text(Fishes().collect()) == ask(site_of(), "/metrics?x=/y").body


def test_openmetrics_if_asked_for() -> None:
    """The Accept header chooses the format, and caches are told so."""
    answer = ask(site_of(), "/metrics", Accept="application/openmetrics-text")
    assert OPENMETRICS == answer.headers["Content-Type"]
    assert "Accept, Accept-Encoding" == answer.headers["Vary"]
    assert encode_openmetrics(Fishes().collect()) == answer.body


@pytest.mark.parametrize("accepted", ["gzip", "deflate, gzip;q=1.0, *;q=0.5", "GZIP"])
def test_gzip_if_asked_for(accepted: str) -> None:
    """A client that reads gzip gets the same text packed."""
    answer = ask(site_of(), "/metrics", Accept_Encoding=accepted)
    assert "gzip" == answer.headers["Content-Encoding"]
    assert "Accept, Accept-Encoding" == answer.headers["Vary"]
    assert encode_text(Fishes().collect()) == gzip.decompress(answer.body)


@pytest.mark.parametrize("accepted", ["", "identity", "br", "gzip;q=0", "gzip; q=0.0"])
def test_no_gzip_if_not_asked_for(accepted: str) -> None:
    """A client that does not read gzip, or refuses it, gets plain text."""
    answer = ask(site_of(), "/metrics", Accept_Encoding=accepted)
    assert "Content-Encoding" not in answer.headers
    assert encode_text(Fishes().collect()) == answer.body


def test_only_the_names_asked_for() -> None:
    """name[] gives the named families only."""
    answer = ask(site_of(), "/metrics?name[]=ponds&name[]=no_such_name")
    assert 200 == answer.status
    assert b"# HELP ponds Ponds.\n# TYPE ponds gauge\nponds 1.0\n" == answer.body


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready", "/none"])
def test_head(path: str) -> None:
    """HEAD is GET without the body."""
    site = site_of()
    got, head = serve(
        site, lambda port: (request(port, path), request(port, path, "HEAD"))
    )
    assert b"" == head.body
    assert got.status == head.status
    varying = {"Date"}
    assert {k: v for k, v in got.headers.items() if k not in varying} == {
        k: v for k, v in head.headers.items() if k not in varying
    }
    assert str(len(got.body)) == head.headers["Content-Length"]


@pytest.mark.parametrize(
    "path",
    [
        "/metrics/",
        "/METRICS",
        "/metricsx",
        "/x/metrics",
        "//metrics",
        "/-/",
        "/favicon.ico",
        "/../etc/passwd",
        "/%2e%2e/etc/passwd",
        "/<script>alert(1)</script>",
        "/%0d%0aSet-Cookie:%20a=b",
        "/" + "x" * 8000,
    ],
)
def test_other_paths(path: str) -> None:
    """Anything else is 404, and the answer repeats nothing of the request."""
    answer = ask(site_of(), path, Referer="/secret", User_Agent="<b>agent</b>")
    assert 404 == answer.status
    assert PLAIN == answer.headers["Content-Type"]
    assert "Set-Cookie" not in answer.headers
    assert b"404 Not Found\n" == answer.body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/metrics", "/-/ready", "/none"])
def test_other_methods(method: str, path: str) -> None:
    """What would change something is not allowed anywhere."""
    answer = ask(site_of(), path, method)
    assert 405 == answer.status
    assert b"405 Method Not Allowed\n" == answer.body


def test_unknown_method() -> None:
    """A method that HTTP does not have is refused the same way."""
    assert 405 == ask(site_of(), "/metrics", "BREW").status


@pytest.mark.parametrize("path", ["/deep/path", "/m.trics", "/metrics-2_x~"])
def test_telemetry_path(path: str) -> None:
    """The metrics are at the path that the flag says, taken literally."""
    other = path.replace(".", "e") + "x"
    ours, usual, near, landing = serve(
        site_of(telemetry_path=path),
        lambda port: [request(port, p) for p in (path, "/metrics", other, "/")],
    )
    assert encode_text(Fishes().collect()) == ours.body
    assert (404, 404) == (usual.status, near.status)
    assert f'<a href="{path}">'.encode() in landing.body


def test_landing_page() -> None:
    """The landing page links every page, says the version and runs no script."""
    answer = ask(site_of(), "/")
    for path in ("/metrics", "/-/healthy", "/-/ready"):
        assert f'href="{path}"'.encode() in answer.body
    assert __version__.encode() in answer.body
    assert "default-src 'none'" == answer.headers["Content-Security-Policy"]


def test_landing_page_escapes() -> None:
    """Even a path with markup in it cannot leave its link."""
    answer = ask(site_of(telemetry_path='/"><script>'), "/")
    assert b"<script>" not in answer.body


def test_not_ready() -> None:
    """While a probe is not attached ready says 503, and healthy is still healthy."""
    ready, healthy = serve(
        site_of(ready=False),
        lambda port: (request(port, "/-/ready"), request(port, "/-/healthy")),
    )
    assert (503, b"Not ready: a probe is not attached.\n") == (ready.status, ready.body)
    assert 200 == healthy.status


def test_scrape_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """A bug in a scrape is a 500 that says nothing of it; the log has it all."""
    answer = ask(site_of(Failing()), "/metrics")
    assert (500, b"500 Internal Server Error\n") == (answer.status, answer.body)
    assert "the inmost secret" in caplog.text


@pytest.mark.parametrize(
    "query",
    ["name[]=%ff", "name[]=" + "&name[]=x" * 1000, "name[]=%00", "name[]=", "&;="],
)
def test_hostile_query(query: str) -> None:
    """A query of any bytes is answered, with a 4xx at worst."""
    answer = ask(site_of(), f"/metrics?{query}")
    assert answer.status in (200, 400)
    assert b"Traceback" not in answer.body


@pytest.mark.parametrize(
    "accept", ["application/openmetrics-text;version=abc", "text/plain;version=x"]
)
def test_hostile_accept(accept: str) -> None:
    """An Accept header that makes no sense gets the text format."""
    assert 200 == ask(site_of(), "/metrics", Accept=accept).status


NOTHING = b""
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"", NOTHING),
        (b"\r\n\r\n", BAD_REQUEST),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500, NOTHING),
        (b"GET\r\n\r\n", BAD_REQUEST),
        (b"GET /metrics HTTP/9.9\r\nHost: a\r\n\r\n", BAD_REQUEST),
        (b"GET /metrics HTTP/1.1\r\n\r\n", BAD_REQUEST),
        (b"GET /metrics HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", BAD_REQUEST),
        (b"GET /metrics HTTP/1.1\r\nHost: <script>\r\n\r\n", BAD_REQUEST),
        (b"GET /<script>\x00\xff HTTP/1.1\r\nHost: a\r\n\r\n", BAD_REQUEST),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n",
            NOTHING,
        ),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", BAD_REQUEST),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n", BAD_REQUEST),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            BAD_REQUEST,
        ),
        (b"x" * 1_000_000, NOTHING),
    ],
)
def test_hostile_requests(sent: bytes, answer: bytes) -> None:
    """What is no request is refused without a word of it; the next is served."""
    received, after = serve(
        site_of(), lambda port: (exchange(port, sent), request(port, "/-/healthy"))
    )
    assert answer == received
    assert after.status == 200


@pytest.mark.parametrize(
    ("start", "status"),
    [("GET http://elsewhere/metrics", b"404"), ("CONNECT elsewhere:443", b"405")],
)
def test_is_no_proxy(start: str, status: bytes) -> None:
    """A request that is meant for another host is refused."""
    sent = f"{start} HTTP/1.1\r\nHost: elsewhere\r\nConnection: close\r\n\r\n".encode()
    received = serve(site_of(), lambda port: exchange(port, sent))
    assert received.startswith(b"HTTP/1.1 " + status)
    assert b"elsewhere" not in received


def test_slow_scrape_delays_no_one() -> None:
    """While a scrape waits for the kernel, other pages answer at once."""
    waiting = Waiting()

    def client(port: int) -> tuple[Answer, list[Answer]]:
        scrapes: list[Answer] = []
        scraper = threading.Thread(
            target=lambda: scrapes.append(request(port, "/metrics"))
        )
        scraper.start()
        assert waiting.started.wait(5)
        meanwhile = request(port, "/-/healthy")
        assert [] == scrapes
        waiting.may_end.set()
        scraper.join()
        return meanwhile, scrapes

    meanwhile, scrapes = serve(site_of(waiting), client)
    assert 200 == meanwhile.status
    assert [200] == [scrape.status for scrape in scrapes]


def test_client_that_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that takes no more is cut off when its time is up; others are not."""
    monkeypatch.setattr(web, "WRITE_SECONDS", 0.3)

    def client(port: int) -> tuple[Answer, bytes]:
        with socket.socket() as connection:
            connection.settimeout(10)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", port))
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
            started = connection.recv(16)
            other = request(port, "/-/healthy")
            time.sleep(0.5)
            received = started + rest_of(connection)
        return other, received

    other, received = serve(site_of(Huge()), client)
    assert 200 == other.status
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert len(received) < HUGE


def test_client_that_leaves(caplog: pytest.LogCaptureFixture) -> None:
    """A client that hangs up in the middle of its scrape is no error."""
    waiting = Waiting()

    def client(port: int) -> Answer:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
            assert waiting.started.wait(5)
        # The server has seen the end of the connection before the scrape ends.
        assert 200 == request(port, "/-/healthy").status
        waiting.may_end.set()
        return request(port, "/metrics")

    with caplog.at_level(logging.INFO):
        assert 200 == serve(site_of(waiting), client).status
    assert [] == caplog.records


def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit a connection is closed at once; a free place is used again."""
    monkeypatch.setattr(web, "MAX_CONNECTIONS", 3)

    def client(port: int) -> tuple[bytes, int]:
        idle = [
            socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(3)
        ]
        # Each has been served once, so the server knows of it.
        for connection in idle:
            connection.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        refused = exchange(port, b"GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n")
        idle.pop().close()
        status = 0
        deadline = time.monotonic() + 5
        while status != 200 and time.monotonic() < deadline:
            try:
                status = request(port, "/-/healthy").status
            except ConnectionError:
                time.sleep(0.01)
        for connection in idle:
            connection.close()
        return refused, status

    assert (b"", 200) == serve(site_of(), client)


def test_keeps_connections_alive() -> None:
    """A scraper's next scrape comes over the same connection."""

    def client(port: int) -> list[int]:
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        connection.auto_open = False
        connection.connect()
        statuses = []
        for path in ("/metrics", "/none", "/metrics"):
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
        connection.close()
        return statuses

    assert [200, 404, 200] == serve(site_of(), client)


def test_quiet_at_info(caplog: pytest.LogCaptureFixture) -> None:
    """Scrapes, and requests for pages that are not there, leave no line at info."""
    with caplog.at_level(logging.INFO):
        serve(
            site_of(),
            lambda port: [request(port, path) for path in ("/metrics", "/", "/none")],
        )
    assert [] == caplog.records


def test_requests_are_logged_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    """At debug each request has its line: method, path, status, client, seconds."""
    with caplog.at_level(logging.DEBUG, logger="exporter"):
        ask(site_of(), "/none?secret=1")
    (line,) = (vars(record) for record in caplog.records if record.msg == "request")
    assert (*("GET", "/none", 404, "127.0.0.1"),) == (
        line["method"],
        line["path"],
        line["status"],
        line["client"],
    )
    assert 0 <= line["seconds"] < 5


def test_stops_with_a_connection_open() -> None:
    """An idle keep-alive connection does not hold the exporter back."""
    started = 0.0
    connections = []

    def client(port: int) -> None:
        nonlocal started
        connection = socket.create_connection(("127.0.0.1", port), timeout=10)
        connections.append(connection)
        connection.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        started = time.monotonic()

    serve(site_of(), client)
    assert time.monotonic() - started < 1
    assert b"" == connections[0].recv(1)
    connections[0].close()


def can_bind(host: str) -> bool:
    try:
        with socket.socket(socket.AF_INET6) as attempt:
            attempt.bind((host, 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not can_bind("::1"), reason="no IPv6 here")


def addresses(*listening: str) -> list[str]:
    """Listen, and return the addresses with the free port that was found as PORT."""
    sockets = web.listen(listening)
    found = [web.address(each) for each in sockets]
    for each in sockets:
        assert 1 == each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        each.close()
    assert all(int(each.rpartition(":")[2]) > 0 for each in found)
    return [each.rpartition(":")[0] + ":PORT" for each in found]


def refusal(address: str) -> tuple[type[ExporterError], str]:
    """Return what *address* is refused with; its sockets are gone by then."""
    try:
        web.listen([address])
    except ExporterError as error:
        return type(error), str(error)
    pytest.fail(f"{address} is taken for an address")


def test_listens_on_one_address() -> None:
    """A host and a port are one socket."""
    assert ["127.0.0.1:PORT"] == addresses("127.0.0.1:0")


@needs_ipv6
def test_listens_on_ipv6() -> None:
    """An IPv6 address stands in brackets, going in and coming out."""
    assert ["[::1]:PORT"] == addresses("[::1]:0")


def test_listens_on_several_addresses() -> None:
    """Each address has its socket, in the order given."""
    assert [
        "127.0.0.2:PORT",
        "127.0.0.1:PORT",
    ] == addresses("127.0.0.2:0", "127.0.0.1:0")


def test_listens_everywhere() -> None:
    """A port alone is every address of every family, on one port."""
    expected = ["0.0.0.0:PORT", *(["[::]:PORT"] if can_bind("::") else [])]
    assert sorted(expected) == sorted(addresses(":0"))
    sockets = web.listen([":0"])
    ports = {each.getsockname()[1] for each in sockets}
    for each in sockets:
        each.close()
    assert 1 == len(ports)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_port_taken() -> None:
    """A taken port is an error with the address, the reason and the way out."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        kind, text = refusal(f"127.0.0.1:{port}")
    assert kind is ListenError
    assert (
        f"cannot listen on 127.0.0.1:{port}: Address already in use. "
        "Choose another address with --web.listen-address"
    ) == text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("192.0.2.1:0", "Cannot assign requested address"),
        ("256.0.0.1:0", "not known"),
        ("a..b:0", "not a host name"),
        (f"{'x' * 64}:0", "not a host name"),
        ("\udcff:0", "not a host name"),
    ],
)
def test_address_of_others(address: str, why: str) -> None:
    """An address that is not this host's, or of no host, is told with the reason."""
    kind, text = refusal(address)
    assert kind is ListenError
    assert text.startswith(f"cannot listen on {address}: ")
    assert why in text


@pytest.mark.parametrize(
    "address",
    [
        "",
        ":",
        "localhost",
        "10301",
        "localhost:",
        "localhost:http",
        ":65536",
        ":-1",
        ": 1",
        ":1.5",
        ":1\n",
        ":\u00b2",
        ":" + "9" * 5000,
        "[::1:0",
        "::1]:0",
        "::1:0",
        "[]:0",
        "[[::1]]:0",
        "http://localhost:10301/metrics",
    ],
)
def test_malformed_address(address: str) -> None:
    """An address that is none is a usage error that shows it."""
    kind, text = refusal(address)
    assert kind is UsageError
    assert repr(address) in text
