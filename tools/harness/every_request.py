"""Send a server every kind of request and of misbehaviour that it has code for."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from ssl import SSLContext

from tools.harness.web_clients import SECONDS, connect
from tools.harness.web_server import basic


# A web configuration with TLS and a user, for the files of make_certificates().
CONFIG = """\
tls_server_config:
  cert_file: server.pem
  key_file: server.key
  client_ca_file: ca.pem
  client_auth_type: VerifyClientCertIfGiven
basic_auth_users:
  alice: $2b$04$7S4uzvyazkYBo0t2h0PQK.VD88FXAEiSzrKtArxgQWI/ip03L6u8i
"""

PATHS = ("/metrics", "/", "/-/healthy", "/-/ready", "/none", "/metrics?name[]=up")
OPENMETRICS = "Accept: application/openmetrics-text;version=1.0.0\r\n"
GZIP = "Accept-Encoding: gzip\r\n"

POST = "POST / HTTP/1.1\r\nHost: a\r\n"

# Bytes that are no request, or no complete request. The server may wait for more.
MALFORMED = (
    b"\r\n\r\n",
    b"not a handshake\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"GET\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /%ff%c3?name[]=%ff HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: \xff\r\nCookie: a=\xff\r\n\r\n",
    b"GET / HTTP/1.1\r\nno header\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 4000 + b"\r\n",
    f"{POST}Content-Length: 99999999\r\n\r\n".encode(),
    f"{POST}Transfer-Encoding: chunked\r\n\r\nx\r\n".encode(),
    f"{POST}Content-Type: multipart/form-data; boundary=x\r\n"
    "Content-Length: 5\r\n\r\n--x\r\n".encode(),
    f"{POST}Content-Type: application/x-www-form-urlencoded\r\n"
    "Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\na=b".encode(),
)

# struct linger: close(2) sends a reset; socket(7).
RESET = b"\1\0\0\0\0\0\0\0"

# One more than the server's limit for a client address.
CROWD = 129


def exercise(port: int, password: str = "", context: SSLContext | None = None) -> None:
    """Send everything to *port* of loopback, over TLS if *context* is given."""
    for sent in requests(password):
        with suppress(OSError), _connect(port, context) as client:
            client.sendall(sent)
            while client.recv(65536):
                pass
    for sent in MALFORMED:
        for each in {None, context}:
            with suppress(OSError), _connect(port, each) as client:
                client.sendall(sent)
                client.settimeout(0.1)
                client.recv(65536)
    _leave_early(port, context)
    _read_nothing(port, context, password)
    _crowd(port)


def requests(password: str) -> Iterator[bytes]:
    """Yield well-formed requests."""
    login = _login(basic(password)) if password else ""
    for method in ("GET", "HEAD", "POST", "BREW"):
        for path in PATHS:
            for headers in ("", OPENMETRICS, GZIP, OPENMETRICS + GZIP):
                yield _request(method, path, login + headers)
    for wrong in ("", basic("wrong"), basic("\u00d8"), "Basic !", "Bearer x"):
        yield _request("GET", "/metrics", _login(wrong))


def _leave_early(port: int, context: SSLContext | None) -> None:
    """Reset connections before, during and after a request."""
    for sent in (b"", b"GET /met", _request("GET", "/metrics", "")):
        with suppress(OSError), _connect(port, context) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.sendall(sent)


def _read_nothing(port: int, context: SSLContext | None, password: str) -> None:
    """Send requests, and read nothing until the server aborts the connection."""
    login = _login(basic(password)) if password else ""
    asked = f"GET /none HTTP/1.1\r\nHost: a\r\n{login}\r\n".encode()
    with suppress(OSError), _connect(port, context, buffer=4096) as client:
        client.sendall(asked * 1000)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and not _error(client):
            time.sleep(0.02)


def _error(client: socket.socket) -> int:
    return client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def _crowd(port: int) -> None:
    """Connect until the server closes the first connection."""
    with ExitStack() as crowd, suppress(ConnectionError):
        first, *_ = [crowd.enter_context(connect(port)) for _ in range(CROWD)]
        first.recv(1)


def _login(authorization: str) -> str:
    return f"Authorization: {authorization}\r\n"


def _request(method: str, path: str, headers: str) -> bytes:
    line = f"{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n"
    return line.encode()


def _connect(
    port: int, context: SSLContext | None, buffer: int = 65536
) -> socket.socket:
    client = connect(port, buffer=buffer)
    if context is None:
        return client
    with ExitStack() as failing:
        failing.enter_context(client)
        secure = context.wrap_socket(client, server_hostname="localhost")
        failing.pop_all()
        return secure
