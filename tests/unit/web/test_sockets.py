"""Listen addresses: valid ones, ones in use, and malformed ones."""

from __future__ import annotations

import socket

import pytest

from fanotify_exporter.errors import ExporterError, ListenError, UsageError
from fanotify_exporter.web.sockets import address, listen


def can_bind(host: str) -> bool:
    try:
        with socket.socket(socket.AF_INET6) as attempt:
            attempt.bind((host, 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not can_bind("::1"), reason="no IPv6 here")


def addresses(*listening: str) -> list[str]:
    """Listen, and return the addresses with PORT in place of the chosen port."""
    sockets = listen(listening)
    found = [address(each) for each in sockets]
    for each in sockets:
        assert 1 == each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        each.close()
    assert all(int(each.rpartition(":")[2]) > 0 for each in found)
    return [each.rpartition(":")[0] + ":PORT" for each in found]


def refusal(address: str) -> tuple[type[ExporterError], str]:
    """Return the type and the text of the error for *address*."""
    try:
        listen([address])
    except ExporterError as error:
        return type(error), str(error)
    pytest.fail(f"{address} was accepted")


def test_listens_on_one_address() -> None:
    """A host and a port give one socket."""
    assert ["127.0.0.1:PORT"] == addresses("127.0.0.1:0")


@needs_ipv6
def test_listens_on_ipv6() -> None:
    """An IPv6 address has brackets, as input and as output."""
    assert ["[::1]:PORT"] == addresses("[::1]:0")


def test_listens_on_several_addresses() -> None:
    """Each address has a socket, in the given order."""
    assert [
        "127.0.0.2:PORT",
        "127.0.0.1:PORT",
    ] == addresses("127.0.0.2:0", "127.0.0.1:0")


def test_listens_everywhere() -> None:
    """A port alone means all addresses of all families, on one port."""
    expected = ["0.0.0.0:PORT", *(["[::]:PORT"] if can_bind("::") else [])]
    assert sorted(expected) == sorted(addresses(":0"))
    sockets = listen([":0"])
    ports = {each.getsockname()[1] for each in sockets}
    for each in sockets:
        each.close()
    assert 1 == len(ports)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_port_taken() -> None:
    """A port in use is an error with the address, the reason and the remedy."""
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
    ("address", "reason"),
    [
        ("192.0.2.1:0", "Cannot assign requested address"),
        ("256.0.0.1:0", "not known"),
        ("a..b:0", "not a host name"),
        (f"{'x' * 64}:0", "not a host name"),
        ("\udcff:0", "not a host name"),
    ],
)
def test_foreign_address(address: str, reason: str) -> None:
    """An address of another host, or of no host, is an error with the reason."""
    kind, text = refusal(address)
    assert kind is ListenError
    assert text.startswith(f"cannot listen on {address}: ")
    assert reason in text


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
    """A malformed address is a usage error that quotes it."""
    kind, text = refusal(address)
    assert kind is UsageError
    assert repr(address) in text
