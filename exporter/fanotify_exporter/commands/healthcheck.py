"""Report whether a running exporter answers, for Docker's HEALTHCHECK."""

from __future__ import annotations

import re
import socket
from contextlib import suppress

from fanotify_exporter.errors import HealthError, UsageError
from fanotify_exporter.options.flags import Build, listen_address_flag
from fanotify_exporter.options.model import HealthcheckOptions
from fanotify_exporter.options.parser import Parser


# For connecting, and again for the answer. The image's health check may take 10 s.
TIMEOUT_SECONDS = 5.0

# HTTP/1.0 needs no Host header. Importing http.client, with email and ssl, would take
# 0.02 s more, a third of the CPU time of a check.
REQUEST = b"GET /-/healthy HTTP/1.0\r\n\r\n"
STATUS_LINE_BYTES = 256

MAX_PORT = 65535


def add_flags(parser: Parser) -> Build[HealthcheckOptions]:
    """Add the flags of ``healthcheck``."""
    listen_addresses = listen_address_flag(parser)
    return lambda found: HealthcheckOptions(listen_addresses(found)[0])


def run(options: HealthcheckOptions) -> int:
    """
    Return 0 if an exporter answers.

    Raises:
        HealthError: no exporter answers.
        UsageError: the address is malformed.
    """
    healthcheck(options.address)
    return 0


def healthcheck(address: str, timeout: float = TIMEOUT_SECONDS) -> None:
    """
    Check that an exporter answers on *address*.

    The check sends plain HTTP without a password. A refusal is an answer too: 401
    from an exporter with users, or a connection closed by an exporter with TLS.

    Raises:
        HealthError: no server listens on *address*, or it does not answer in time, or
            it answers with a server error.
        UsageError: *address* is malformed.
    """
    try:
        with socket.create_connection(_split(address), timeout) as connection:
            status = _ask(connection).partition(b"\r\n")[0]
    except OSError as error:
        raise HealthError(
            f"no exporter answers on {address}: {error.strerror or error}"
        ) from error
    except UnicodeError as error:
        raise _malformed(address) from error
    if re.match(rb"HTTP/\S+ 5", status):
        reason = status.decode(errors="replace").partition(" ")[2]
        raise HealthError(f"the exporter on {address} answers {reason}")


def _split(address: str) -> tuple[str, int]:
    """Return the host (localhost if there is none) and the port of *address*."""
    parts = re.fullmatch(r"(?:([^][:\s]*)|\[([^][\s]+)\]):(\d{1,5})", address)
    if not parts or int(parts[3]) > MAX_PORT:
        raise _malformed(address)
    return parts[1] or parts[2] or "localhost", int(parts[3])


def _malformed(address: str) -> UsageError:
    return UsageError(
        f"--web.listen-address {address!r} is not an address: "
        "use host:port, [IPv6]:port or :port"
    )


def _ask(connection: socket.socket) -> bytes:
    """Return the start of the answer, or b"" if the server closes the connection."""
    with suppress(ConnectionError):
        connection.sendall(REQUEST)
        return connection.recv(STATUS_LINE_BYTES)
    return b""
