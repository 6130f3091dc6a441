"""Ask a running exporter whether it is healthy, as a container engine wants it."""

from __future__ import annotations

from contextlib import closing, suppress
from http import HTTPStatus
from http.client import BadStatusLine, HTTPConnection, InvalidURL

from fanotify_exporter.errors import HealthError, UsageError


TIMEOUT_SECONDS = 5.0


def healthcheck(address: str, timeout: float = TIMEOUT_SECONDS) -> None:
    """
    Return if the exporter that listens on *address* lives.

    Also a refusal shows that: 401 of one that wants a password, or that one which
    wants TLS hangs up on plain HTTP. So this needs no certificate and no password.

    Raises:
        HealthError: nothing listens there, nothing comes back, or an error does.
        UsageError: *address* is malformed.
    """
    if address.startswith(":"):
        address = f"localhost{address}"
    try:
        connection = HTTPConnection(address, timeout=timeout)
        connection.connect()
        with closing(connection), suppress(BadStatusLine, ConnectionError):
            connection.request("GET", "/-/healthy")
            answer = connection.getresponse()
            if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise HealthError(f"{address}: {answer.status} {answer.reason}")
    except OSError as error:
        raise HealthError(f"{address}: {error.strerror or error}") from error
    except (InvalidURL, UnicodeError) as error:
        raise UsageError(
            f"--web.listen-address {address!r} is not an address: "
            "say host:port, [IPv6]:port or :port"
        ) from error
