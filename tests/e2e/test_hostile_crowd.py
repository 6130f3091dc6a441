"""Scrapes succeed while a client opens 2000 hostile connections."""

from __future__ import annotations

import resource
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from ssl import create_default_context

import pytest

from fanotify_exporter.web.connections import MAX_CONNECTIONS
from tools.harness.certificates import make_certificates
from tools.harness.processes import resident_kb
from tools.harness.serving import LISTEN, Exporter, serving


pytestmark = pytest.mark.whole_host

CONNECTIONS = 2000
BATCH = 100
MAX_GROWTH_KB = 10 * 1024
# Maximum number of files that the scan for groups has open at a time.
SCAN_DESCRIPTORS = 8
# SO_LINGER with a timeout of 0: close() sends RST.
RESET = struct.pack("ii", 1, 0)
REQUEST = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
# The start of a TLS ClientHello; the rest never follows.
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100)
OPENINGS = (b"", REQUEST[:9], REQUEST[:-2], REQUEST * 20, HELLO, bytes(20_000))


@contextmanager
def descriptors() -> Iterator[None]:
    """Raise the limit of open files to the hard limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def hostile(port: int, number: int) -> socket.socket:
    """Connect from one of 200 addresses, send an opening, maybe shut down writing."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(10)
    client.bind((f"127.0.1.{1 + number % 200}", 0))
    with suppress(OSError):  # the exporter has closed the connection
        client.connect(("127.0.0.1", port))
        client.sendall(OPENINGS[number % len(OPENINGS)])
        if number % 5 == 0:
            client.shutdown(socket.SHUT_WR)
    return client


def scrape(port: int, cafile: Path | None) -> float:
    """Scrape over a new connection; return the duration in seconds."""
    started = time.monotonic()
    connection = (
        HTTPSConnection(
            "localhost", port, timeout=10, context=create_default_context(cafile=cafile)
        )
        if cafile
        else HTTPConnection("127.0.0.1", port, timeout=10)
    )
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    assert b"fanotify_exporter_build_info" in answer.read()
    assert 200 == answer.status
    connection.close()
    return time.monotonic() - started


def size(exporter: Exporter) -> tuple[int, int, int]:
    """Return resident memory in kB, number of descriptors and number of threads."""
    process = Path(f"/proc/{exporter.pid}")
    fds, threads = (len(list((process / name).iterdir())) for name in ("fd", "task"))
    return resident_kb(exporter.pid), fds, threads


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_two_thousand_connections(tmp_path: Path, tls: bool) -> None:  # noqa: FBT001
    """Every good scrape succeeds; memory, descriptors and threads stay bounded."""
    arguments = [LISTEN]
    if tls:
        make_certificates(tmp_path)
        config = tmp_path / "web.yml"
        files = "cert_file: server.pem, key_file: server.key"
        config.write_text(f"tls_server_config: {{{files}}}\n")
        arguments.append(f"--web.config.file={config}")
    cafile = tmp_path / "ca.pem" if tls else None
    with (
        serving(tmp_path / "exporter.log", *arguments) as exporter,
        descriptors(),
        ExitStack() as crowd,
    ):
        port = int(exporter.addresses[0].rpartition(":")[2])
        for _ in range(20):
            scrape(port, cafile)
        memory, fds, threads = size(exporter)
        slowest = 0.0
        for number in range(CONNECTIONS):
            crowd.enter_context(hostile(port, number))
            if number % BATCH == BATCH - 1:
                slowest = max(slowest, scrape(port, cafile))
        end_memory, end_fds, end_threads = size(exporter)
        print(f"slowest scrape {slowest:.3f} s, {end_memory - memory} kB more")
        assert end_memory - memory <= MAX_GROWTH_KB
        max_fds = fds + MAX_CONNECTIONS + SCAN_DESCRIPTORS
        assert MAX_CONNECTIONS / 2 < end_fds <= max_fds
        assert threads == end_threads
        assert "Traceback" not in "".join(exporter.process.lines())
