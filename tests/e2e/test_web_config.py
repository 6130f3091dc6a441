"""A real Prometheus scrapes with TLS, a client certificate and a password."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import bcrypt
import pytest

from tools.harness.certificates import LOCALHOST, make_certificates, make_signed
from tools.harness.processes import poll
from tools.harness.requirements import need
from tools.harness.servers.prometheus import JOB, Prometheus, started
from tools.harness.serving import LISTEN, Exporter, serving


CONFIG = """
tls_server_config:
  cert_file: server.pem
  key_file: server.key
  client_ca_file: ca.pem
  client_auth_type: RequireAndVerifyClientCert
basic_auth_users:
  prometheus: {}
"""
PASSWORD = "correct horse"


def scrape_config(target: str) -> dict[str, object]:
    """Return a configuration of Prometheus with a certificate and a password."""
    files = {"ca_file": "ca.pem", "cert_file": "client.pem", "key_file": "client.key"}
    job = {
        "job_name": JOB,
        "scrape_interval": "1s",
        "scrape_timeout": "1s",
        "scheme": "https",
        "tls_config": files,
        "basic_auth": {"username": "prometheus", "password": PASSWORD},
        "static_configs": [{"targets": [target]}],
    }
    return {"scrape_configs": [job]}


@dataclass(frozen=True, slots=True)
class Servers:
    """An exporter with a web configuration file, and the Prometheus that scrapes it."""

    file: Path
    exporter: Exporter
    prometheus: Prometheus


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Start the servers that all tests share. Each test restores the file."""
    folder = tmp_path_factory.mktemp("servers")
    make_certificates(folder)
    file = folder / "web.yml"
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(10)).decode()
    file.write_text(CONFIG.format(hashed))
    subprocess.run([need("promtool"), "check", "web-config", file], check=True)
    with (
        serving(
            folder / "exporter.log", LISTEN, f"--web.config.file={file}"
        ) as exporter,
        started(scrape_config(exporter.addresses[0]), folder) as prometheus,
    ):
        yield Servers(file, exporter, prometheus)


@pytest.fixture(autouse=True)
def _scraped(servers: Servers) -> None:
    assert poll(lambda: servers.prometheus.query("up == 1"))


def test_prometheus_can_scrape(servers: Servers) -> None:
    """Prometheus scrapes with its certificate and its password."""
    assert servers.prometheus.query("fanotify_exporter_probe_attached")


def test_a_renewed_certificate(servers: Servers) -> None:
    """While the server certificate is replaced three times, every scrape succeeds."""
    folder, prometheus = servers.file.parent, servers.prometheus
    began = time.time()
    for _ in range(3):
        make_signed(folder, "renewed", "-addext", LOCALHOST)
        shutil.move(folder / "renewed.key", folder / "server.key")
        shutil.move(folder / "renewed.pem", folder / "server.pem")
        prometheus.scraped_after(time.time())
    prometheus.scraped_after(time.time() + 1)
    seconds = int(time.time() - began)
    ((_, worst),) = prometheus.query(f"min_over_time(up[{seconds}s])")
    assert worst == 1


@pytest.mark.parametrize(
    ("before", "after", "error"),
    [
        ("prometheus:", "grafana:", "401 Unauthorized"),
        ("basic_auth_users:", "basic_auth:", "500 Bad Web Configuration File"),
        ("ca.pem", "stranger.pem", "tls: "),
    ],
)
def test_a_changed_file(servers: Servers, before: str, after: str, error: str) -> None:
    """After a change of user or CA, or a syntax error, the next scrape fails."""
    lines_before = len(servers.exporter.later_lines())
    good = servers.file.read_text()
    servers.file.write_text(good.replace(before, after))
    assert error in poll(servers.prometheus.last_error, lambda why: error in why)
    servers.file.write_text(good)
    assert poll(lambda: servers.prometheus.query("up == 1"))
    logged = servers.exporter.later_lines()[lines_before:]
    lines = [line for line in logged if "web configuration" in line]
    refusals = [line for line in lines if "level=error" in line]
    assert len(refusals) == (after == "basic_auth:")
    assert all("all requests are refused" in line for line in refusals)
    assert "web configuration read" in lines[-1]
