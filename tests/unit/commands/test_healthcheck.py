"""`fanotify-exporter healthcheck` against the real server, and where there is none."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from fanotify_exporter.cli import main
from fanotify_exporter.commands.healthcheck import healthcheck
from fanotify_exporter.errors import HealthError
from fanotify_exporter.web.access import AccessControl
from tools.harness.web_server import example_service, serve


VARIABLE = "FANOTIFY_EXPORTER_WEB_LISTEN_ADDRESS"


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """Give a socket that takes connections, on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as opened:
        yield opened


def address(listening: socket.socket) -> str:
    return f"127.0.0.1:{listening.getsockname()[1]}"


def check(port: int) -> int:
    return main(["--web.listen-address", f"127.0.0.1:{port}", "healthcheck"])


def test_a_server_is_healthy() -> None:
    """It exits with 0 while the exporter answers."""
    assert 0 == serve(example_service(), check)


def test_one_that_is_not_ready_is_healthy() -> None:
    """A probe that is not attached is no reason to start the exporter again."""
    assert 0 == serve(example_service(ready=False), check)


@pytest.mark.parametrize(
    "name", ["tls.good.yml", "client_certificates.good.yml", "users.good.yml"]
)
def test_one_that_lets_in_few_is_healthy(web_examples: Path, name: str) -> None:
    """It takes neither a password nor a certificate to see that it lives."""
    assert 0 == serve(example_service(), check, AccessControl(web_examples / name))


def test_the_address_comes_from_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine gives the variables of the container to its check; the first counts."""

    def ask(port: int) -> int:
        monkeypatch.setenv(VARIABLE, f"127.0.0.1:{port}, 127.0.0.1:1")
        return main(["healthcheck"])

    assert 0 == serve(example_service(), ask)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "localhost"])
def test_any_way_to_write_this_host(host: str) -> None:
    """An address to listen on, such as :10301, is one to ask as well."""
    serve(example_service(), lambda port: healthcheck(f"{host}:{port}"))


def test_none_there(
    listening: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    """It exits with 1, and says why, where nothing listens."""
    gone = address(listening)
    listening.close()

    assert 1 == main(["--web.listen-address", gone, "healthcheck"])
    assert f"fanotify-exporter: {gone}: Connection refused\n" == capsys.readouterr().err


def test_one_that_does_not_answer(listening: socket.socket) -> None:
    """A connection that only waits is no health."""
    with pytest.raises(HealthError, match="timed out"):
        healthcheck(address(listening), timeout=0.1)


def test_one_that_lets_in_nobody(tmp_path: Path) -> None:
    """A web configuration that has broken shows."""
    config = tmp_path / "web.yml"
    config.write_text("basic_auth_users: {}\n")
    door = AccessControl(config)

    def ask(port: int) -> None:
        config.write_text("no such key: 1\n")
        with pytest.raises(HealthError, match="500 Bad Web Configuration File"):
            healthcheck(f"127.0.0.1:{port}")

    serve(example_service(), ask, door)


@pytest.mark.parametrize("malformed", ["host:port", "a b:1", "h\udcf6st:1"])
def test_malformed_address(malformed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is no address is bad usage, and is told in one line."""
    assert 2 == main([f"--web.listen-address={malformed}", "healthcheck"])
    said = capsys.readouterr().err
    assert "is not an address: say host:port" in said
    assert 1 == said.count("\n")
