"""The probes of deploy/kubernetes, sent as the kubelet sends them."""

from __future__ import annotations

import socket
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from tools.harness.certificates import make_certificates
from tools.harness.daemon_set import PROBES, container_of, daemon_set
from tools.harness.serving import LISTEN, serving


TLS = "tls_server_config: {cert_file: server.pem, key_file: server.key"
CLIENT = ", client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem"
HASHED = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
USERS = f"basic_auth_users: {{prometheus: {HASHED}}}"


def succeeds(probe: dict[str, Any], address: str) -> bool:
    """Send *probe* to *address*: no password, no certificate, no check of the peer."""
    if "tcpSocket" in probe:
        host, port = address.split(":")
        with socket.create_connection((host, int(port)), timeout=1):
            return True
    request = probe["httpGet"]
    scheme = request.get("scheme", "HTTP").lower()
    anyone = ssl.create_default_context()
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    try:
        url = f"{scheme}://{address}{request['path']}"
        with urllib.request.urlopen(url, timeout=5, context=anyone) as answer:
            return bool(200 <= answer.status < 400)
    except urllib.error.HTTPError:
        return False


@pytest.mark.parametrize(
    ("components", "config"),
    [
        ((), ""),
        (("https-probes",), f"{TLS}}}"),
        (("tcp-probes",), USERS),
        (("tcp-probes",), f"{TLS}}}\n{USERS}"),
        (("tcp-probes",), f"{TLS}{CLIENT}}}"),
    ],
    ids=["plain", "tls", "passwords", "tls-and-passwords", "client-certificates"],
)
def test_probes_succeed(
    components: tuple[str, ...], config: str, tmp_path: Path
) -> None:
    """Each web configuration has a component whose probes succeed."""
    flags = []
    if config:
        make_certificates(tmp_path)
        (tmp_path / "web.yml").write_text(config)
        flags = [f"--web.config.file={tmp_path}/web.yml"]
    container = container_of(daemon_set(*components))
    with serving(tmp_path / "exporter.log", LISTEN, *flags) as exporter:
        for name in PROBES:
            assert succeeds(container[name], exporter.addresses[0])


def test_passwords_guard_the_health_page(tmp_path: Path) -> None:
    """With passwords, the probes of the DaemonSet alone fail."""
    (tmp_path / "web.yml").write_text(USERS)
    flag = f"--web.config.file={tmp_path}/web.yml"
    container = container_of(daemon_set())
    with serving(tmp_path / "exporter.log", LISTEN, flag) as exporter:
        for name in PROBES:
            assert not succeeds(container[name], exporter.addresses[0])
