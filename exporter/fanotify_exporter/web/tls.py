"""Build the TLS context of the server from the settings and the PEM texts."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ssl import PROTOCOL_TLS_SERVER, SSLContext, VerifyFlags, VerifyMode

from fanotify_exporter.errors import ConfigError
from fanotify_exporter.web.config import CLIENT_AUTH, Tls


VERIFY_MODES = dict(zip(CLIENT_AUTH, VerifyMode, strict=True))

# A line that each PEM must contain. OpenSSL's own errors do not say that a file has
# the wrong kind of PEM.
PEM_MARKERS = {
    "cert": b"-----BEGIN CERTIFICATE-----",
    "key": b"PRIVATE KEY-----",
    "client_ca": b"-----BEGIN CERTIFICATE-----",
}


def server_context(tls: Tls, pems: Mapping[str, bytes]) -> SSLContext:
    """
    Return the context to serve *tls* with the contents *pems*, by name.

    Raises:
        ConfigError: OpenSSL refuses a PEM, or a PEM is of the wrong kind.
    """
    for name, pem in pems.items():
        if PEM_MARKERS[name] not in pem:
            raise ConfigError(
                f"{_pem_name(tls, name)} does not contain {PEM_MARKERS[name].decode()}"
            )
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.minimum_version = tls.min_version
    context.maximum_version = tls.max_version
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    _load_certificate(context, tls, pems)
    if "client_ca" in pems:
        _verify_clients(context, tls, pems["client_ca"])
    return context


def _load_certificate(context: SSLContext, tls: Tls, pems: Mapping[str, bytes]) -> None:
    def refuse() -> str:
        """Refuse an encrypted key; OpenSSL calls for the password."""
        key = _pem_name(tls, "key")
        raise ConfigError(f"{key} is encrypted: decrypt it with openssl pkey")

    try:
        with _memory_file(pems["cert"]) as cert, _memory_file(pems["key"]) as key:
            context.load_cert_chain(cert, key, password=refuse)
    except ssl.SSLError as error:
        both = " and ".join(_pem_name(tls, name) for name in ("cert", "key"))
        raise ConfigError(f"{both} cannot be used: {_reason(error)}") from None


def _verify_clients(context: SSLContext, tls: Tls, client_ca: bytes) -> None:
    """Verify client certificates with *client_ca*, as *tls* says."""
    try:
        with _memory_file(client_ca) as path:
            context.load_verify_locations(path)
    except ssl.SSLError as error:
        raise ConfigError(
            f"{_pem_name(tls, 'client_ca')} cannot be used: {_reason(error)}"
        ) from None
    # Trust intermediate certificates in the file like roots, as Go's crypto/x509 does.
    context.verify_flags |= VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    context.verify_mode = VERIFY_MODES[tls.client_auth]


def _pem_name(tls: Tls, name: str) -> str:
    """Return the name of a PEM for errors: its key, and its file if it has one."""
    pem = getattr(tls, name)
    return f"tls_server_config.{name}" + (
        "" if isinstance(pem, str) else f"_file {pem}"
    )


def _reason(error: ssl.SSLError) -> str:
    """Return OpenSSL's reason. For text that is not PEM, OpenSSL has none."""
    return (error.reason or "not well-formed").replace("_", " ").lower()


@contextmanager
def _memory_file(content: bytes) -> Iterator[str]:
    """Yield a path of *content*: the ssl module loads certificates only from paths."""
    with os.fdopen(os.memfd_create("pem"), "wb") as file:
        file.write(content)
        file.flush()
        yield f"/dev/fd/{file.fileno()}"
