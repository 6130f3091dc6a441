"""From the addresses that the exporter listens on to the end of its serving."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fanotify_exporter.errors import ExporterError, ListenError, UsageError
from fanotify_exporter.web.sockets import address, listen


FIXTURES = Path(__file__).parents[1] / "fixtures"


def can_bind(host: str) -> bool:
    try:
        with socket.socket(socket.AF_INET6) as attempt:
            attempt.bind((host, 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not can_bind("::1"), reason="no IPv6 here")


def addresses(*listening: str) -> list[str]:
    """Listen, and return the addresses with the free port that was found as PORT."""
    sockets = listen(listening)
    found = [address(each) for each in sockets]
    for each in sockets:
        assert 1 == each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        each.close()
    assert all(int(each.rpartition(":")[2]) > 0 for each in found)
    return [each.rpartition(":")[0] + ":PORT" for each in found]


def refusal(address: str) -> tuple[type[ExporterError], str]:
    """Return what *address* is refused with; its sockets are gone by then."""
    try:
        listen([address])
    except ExporterError as error:
        return type(error), str(error)
    pytest.fail(f"{address} is taken for an address")


def test_listens_on_one_address() -> None:
    """A host and a port are one socket."""
    assert ["127.0.0.1:PORT"] == addresses("127.0.0.1:0")


@needs_ipv6
def test_listens_on_ipv6() -> None:
    """An IPv6 address stands in brackets, going in and coming out."""
    assert ["[::1]:PORT"] == addresses("[::1]:0")


def test_listens_on_several_addresses() -> None:
    """Each address has its socket, in the order given."""
    assert [
        "127.0.0.2:PORT",
        "127.0.0.1:PORT",
    ] == addresses("127.0.0.2:0", "127.0.0.1:0")


def test_listens_everywhere() -> None:
    """A port alone is every address of every family, on one port."""
    expected = ["0.0.0.0:PORT", *(["[::]:PORT"] if can_bind("::") else [])]
    assert sorted(expected) == sorted(addresses(":0"))
    sockets = listen([":0"])
    ports = {each.getsockname()[1] for each in sockets}
    for each in sockets:
        each.close()
    assert 1 == len(ports)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_port_taken() -> None:
    """A taken port is an error with the address, the reason and the way out."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        kind, text = refusal(f"127.0.0.1:{port}")
    assert kind is ListenError
    assert (
        f"cannot listen on 127.0.0.1:{port}: Address already in use. "
        "Choose another address with --web.listen-address"
    ) == text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("192.0.2.1:0", "Cannot assign requested address"),
        ("256.0.0.1:0", "not known"),
        ("a..b:0", "not a host name"),
        (f"{'x' * 64}:0", "not a host name"),
        ("\udcff:0", "not a host name"),
    ],
)
def test_address_of_others(address: str, why: str) -> None:
    """An address that is not this host's, or of no host, is told with the reason."""
    kind, text = refusal(address)
    assert kind is ListenError
    assert text.startswith(f"cannot listen on {address}: ")
    assert why in text


@pytest.mark.parametrize(
    "address",
    [
        "",
        ":",
        "localhost",
        "10301",
        "localhost:",
        "localhost:http",
        ":65536",
        ":-1",
        ": 1",
        ":1.5",
        ":1\n",
        ":\u00b2",
        ":" + "9" * 5000,
        "[::1:0",
        "::1]:0",
        "::1:0",
        "[]:0",
        "[[::1]]:0",
        "http://localhost:10301/metrics",
    ],
)
def test_malformed_address(address: str) -> None:
    """An address that is none is a usage error that shows it."""
    kind, text = refusal(address)
    assert kind is UsageError
    assert repr(address) in text


def test_ends_while_a_scrape_hangs() -> None:
    """A scrape that never comes back keeps neither the server nor the process."""
    with subprocess.Popen(
        [sys.executable, FIXTURES / "hanging_scrape.py"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        port = int(process.stdout.readline())
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        client.request("GET", "/metrics")
        assert "scraping\n" == process.stdout.readline()
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=10)
        client.close()
    assert (0, "") == (process.returncode, errors)
    assert time.monotonic() - started < 1.5
