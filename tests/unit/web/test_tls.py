"""TLS as the web configuration file sets it: versions, ALPN, client certificates."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

import pytest

from fanotify_exporter.web.access import AccessControl
from tools.harness.certificates import trusting
from tools.harness.web_clients import connect
from tools.harness.web_server import example_service, serve, serve_config, status


TLS = "tls_server_config: {cert_file: server.pem, key_file: server.key%s}\n"


def test_tls(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Clients that trust the CA are served; others, and plain HTTP, are not."""

    def client(port: int) -> tuple[int, int, int]:
        distrusting = ssl.create_default_context()
        return (
            status(port, trusting(folder)),
            status(port, distrusting),
            status(port),
        )

    with caplog.at_level(logging.INFO):
        assert (200, 0, 0) == serve_config(folder, TLS % "", client)
    assert ["web configuration read"] == [each.msg for each in caplog.records]


@pytest.mark.parametrize(
    ("options", "oldest", "newest"),
    [
        ("", "TLSv1.2", "TLSv1.3"),
        (", min_version: TLS13", "", "TLSv1.3"),
        (", max_version: TLS12", "TLSv1.2", "TLSv1.2"),
    ],
)
def test_versions(folder: Path, options: str, oldest: str, newest: str) -> None:
    """The server accepts the TLS versions that the file says, and no others."""

    def negotiate(port: int, maximum: ssl.TLSVersion) -> str:
        context = trusting(folder)
        context.maximum_version = maximum
        try:
            with context.wrap_socket(connect(port), server_hostname="localhost") as tls:
                return tls.version() or ""
        except ssl.SSLError:
            return ""

    versions = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    found = serve_config(
        folder, TLS % options, lambda port: [negotiate(port, each) for each in versions]
    )
    assert [oldest, newest] == found


def test_no_http2(folder: Path) -> None:
    """ALPN selects HTTP/1.1, also if the file enables HTTP/2."""

    def client(port: int) -> str | None:
        context = trusting(folder)
        context.set_alpn_protocols(["h2", "http/1.1"])
        with context.wrap_socket(connect(port), server_hostname="localhost") as tls:
            return tls.selected_alpn_protocol()

    http2 = "http_server_config: {http2: true}\n"
    assert "http/1.1" == serve_config(folder, TLS % "" + http2, client)


@pytest.mark.parametrize(
    ("policy", "accepted"),
    [
        ("RequireAndVerifyClientCert", {"client"}),
        ("VerifyClientCertIfGiven", {"client", ""}),
        ("NoClientCert", {"client", "", "stranger", "late"}),
    ],
)
def test_client_certificates(folder: Path, policy: str, accepted: set[str]) -> None:
    """A client certificate is accepted if the client CA signed it and it is valid."""
    options = f", client_auth_type: {policy}"
    if policy != "NoClientCert":
        options += ", client_ca_file: ca.pem"

    def client(port: int) -> set[str]:
        names = ("client", "", "stranger", "late")
        return {name for name in names if status(port, trusting(folder, name)) == 200}

    assert accepted == serve_config(folder, TLS % options, client)


def test_client_ca_that_is_no_root(folder: Path) -> None:
    """Every certificate in client_ca_file is trusted, not only self-signed ones."""
    options = ", client_auth_type: RequireAndVerifyClientCert"
    options += ", client_ca_file: client.pem"

    def client(port: int) -> list[int]:
        names = ("client", "stranger")
        return [status(port, trusting(folder, name)) for name in names]

    assert [200, 0] == serve_config(folder, TLS % options, client)


def test_inline_certificate(web_examples: Path) -> None:
    """PEM texts in the file work like PEM files."""
    access = AccessControl(web_examples / "inline.good.yml")
    context = trusting(web_examples, "client")
    answer = serve(example_service(), lambda port: status(port, context), access)
    assert 200 == answer
