"""``fanotify-exporter healthcheck``, with and without a running server."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fanotify_exporter.cli import main
from fanotify_exporter.commands.healthcheck import healthcheck
from fanotify_exporter.errors import HealthError
from fanotify_exporter.web.access import AccessControl
from tools.harness.web_server import example_service, serve, serve_changing


VARIABLE = "FANOTIFY_EXPORTER_WEB_LISTEN_ADDRESS"


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """Give a socket that takes connections, on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as opened:
        yield opened


def address(listening: socket.socket) -> str:
    return f"127.0.0.1:{listening.getsockname()[1]}"


def check(port: int) -> int:
    return main(["healthcheck", f"--web.listen-address=127.0.0.1:{port}"])


def test_a_server_is_healthy() -> None:
    """The exit status is 0 while the exporter answers."""
    assert 0 == serve(example_service(), check)


def test_server_that_is_not_ready_is_healthy() -> None:
    """An exporter whose probes are not attached answers: a restart would not help."""
    assert 0 == serve(example_service(ready=False), check)


@pytest.mark.parametrize(
    "name", ["tls.good.yml", "client_certificates.good.yml", "users.good.yml"]
)
def test_server_with_access_control_is_healthy(web_examples: Path, name: str) -> None:
    """The check needs neither a password nor a certificate."""
    assert 0 == serve(example_service(), check, AccessControl(web_examples / name))


def test_the_address_comes_from_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the flag the first address of the variable is checked."""

    def ask(port: int) -> int:
        monkeypatch.setenv(VARIABLE, f"127.0.0.1:{port}, 127.0.0.1:1")
        return main(["healthcheck"])

    assert 0 == serve(example_service(), ask)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "localhost"])
def test_addresses_of_this_host(host: str) -> None:
    """Any address to listen on, such as :10301, can be checked."""
    serve(example_service(), lambda port: healthcheck(f"{host}:{port}"))


def test_no_server(
    listening: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nothing listens the exit status is 1, and the error says why."""
    gone = address(listening)
    listening.close()

    assert 1 == main(["healthcheck", f"--web.listen-address={gone}"])
    assert (
        f"fanotify-exporter: no exporter answers on {gone}: Connection refused\n"
    ) == capsys.readouterr().err


def test_server_that_does_not_answer(listening: socket.socket) -> None:
    """A server that accepts connections and does not answer is not healthy."""
    with pytest.raises(HealthError, match="timed out"):
        healthcheck(address(listening), timeout=0.1)


def test_server_with_a_broken_web_configuration(tmp_path: Path) -> None:
    """An exporter that refuses all requests, because of a bad file, is not healthy."""

    def ask(port: int, look: Callable[[], None]) -> None:
        (tmp_path / "web.yml").write_text("no such key: 1\n")
        look()
        with pytest.raises(HealthError, match="500 Bad Web Configuration File"):
            healthcheck(f"127.0.0.1:{port}")

    serve_changing(tmp_path, "basic_auth_users: {}\n", ask)


@pytest.mark.parametrize(
    "malformed", ["host:port", "a b:1", "h\udcf6st:1", "a..b:1", ":65536"]
)
def test_malformed_address(malformed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A malformed address is a usage error of one line."""
    assert 2 == main(["healthcheck", f"--web.listen-address={malformed}"])
    said = capsys.readouterr().err
    assert "is not an address: use host:port" in said
    assert 1 == said.count("\n")
