"""TLS settings and PEM texts into what OpenSSL serves by."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ssl import PROTOCOL_TLS_SERVER, SSLContext, VerifyFlags, VerifyMode

from fanotify_exporter.errors import ConfigError
from fanotify_exporter.web.config import CLIENT_AUTH, Tls


MODES = dict(zip(CLIENT_AUTH, VerifyMode, strict=True))

MARKS = {
    "cert": b"-----BEGIN CERTIFICATE-----",
    "key": b"PRIVATE KEY-----",
    "client_ca": b"-----BEGIN CERTIFICATE-----",
}
"""What each PEM has in it."""


def server_context(tls: Tls, pems: Mapping[str, bytes]) -> SSLContext:
    """
    Return the context to serve *tls* with the texts that it names.

    Raises:
        ConfigError: a text is not what it should be, or OpenSSL refuses it.
    """
    for name, pem in pems.items():
        if MARKS[name] not in pem:
            raise ConfigError(f"{_told(tls, name)} has no {MARKS[name].decode()} in it")
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.minimum_version = tls.min_version
    context.maximum_version = tls.max_version
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])

    def refuse() -> str:
        key = _told(tls, "key")
        raise ConfigError(f"{key} is encrypted: decrypt it with openssl pkey")

    try:
        with _file(pems["cert"]) as cert, _file(pems["key"]) as key:
            context.load_cert_chain(cert, key, password=refuse)
    except ssl.SSLError as error:
        both = " and ".join(_told(tls, name) for name in ("cert", "key"))
        raise ConfigError(f"{both} cannot be used: {_reason(error)}") from None
    if "client_ca" in pems:
        _check_clients(context, tls, pems["client_ca"])
    return context


def _check_clients(context: SSLContext, tls: Tls, client_ca: bytes) -> None:
    """Let in only clients with a certificate of *client_ca*'s, as *tls* says."""
    try:
        with _file(client_ca) as path:
            context.load_verify_locations(path)
    except ssl.SSLError as error:
        raise ConfigError(
            f"{_told(tls, 'client_ca')} cannot be used: {_reason(error)}"
        ) from None
    # As Go does: what is in the file is trusted, be it a root or not.
    context.verify_flags |= VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    context.verify_mode = MODES[tls.client_auth]


def _told(tls: Tls, name: str) -> str:
    """Return what to call a PEM in an error: its key, and its file if it has one."""
    pem = getattr(tls, name)
    return f"tls_server_config.{name}" + (
        "" if isinstance(pem, str) else f"_file {pem}"
    )


def _reason(error: ssl.SSLError) -> str:
    """Return what OpenSSL says, which names no reason for what is no PEM at all."""
    return (error.reason or "not well-formed").replace("_", " ").lower()


@contextmanager
def _file(content: bytes) -> Iterator[str]:
    """Give a path under which OpenSSL, which takes no bytes, finds *content*."""
    with os.fdopen(os.memfd_create("pem"), "wb") as file:
        file.write(content)
        file.flush()
        yield f"/dev/fd/{file.fileno()}"
