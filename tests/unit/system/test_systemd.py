"""Notifications to a socket like systemd's, and sockets passed as systemd does."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fanotify_exporter.errors import ListenError, UsageError
from fanotify_exporter.system.systemd import SystemdNotifier, passed_sockets
from tools.harness.web_server import Waiting, example_service, request, serve


PING = b"WATCHDOG=1"
PASSED = Path(__file__).parents[1] / "fixtures/passed_sockets.py"


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """Give the socket that systemd would read; its address is a path."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(10)
        yield receiver


def notifier(systemd: socket.socket, **variables: str) -> SystemdNotifier:
    return SystemdNotifier({"NOTIFY_SOCKET": systemd.getsockname(), **variables})


def is_silent(systemd: socket.socket) -> bool:
    """Return whether 0.1 s without a message follow, after at most 10,000 messages."""
    systemd.settimeout(0.1)
    try:
        return not all(systemd.recv(1000) for _ in range(10_000))
    except TimeoutError:
        return True
    finally:
        systemd.settimeout(10)


def test_notify(systemd: socket.socket) -> None:
    """Assignments are sent in one datagram, a line each."""
    notifier(systemd).notify("READY=1", "STATUS=Serving")
    assert b"READY=1\nSTATUS=Serving" == systemd.recv(1000)


def test_abstract_address() -> None:
    """An address that begins with @ is in the abstract namespace; unix(7)."""
    name = f"fanotify-exporter-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"\0{name}")
        receiver.settimeout(10)
        SystemdNotifier({"NOTIFY_SOCKET": f"@{name}"}).notify("READY=1")
        assert b"READY=1" == receiver.recv(1000)


def test_without_systemd(caplog: pytest.LogCaptureFixture) -> None:
    """Without NOTIFY_SOCKET no message is sent or logged."""
    SystemdNotifier({}).notify("READY=1")
    assert [] == caplog.records


def test_systemd_is_gone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A missing socket causes a warning in the log, and no error."""
    SystemdNotifier({"NOTIFY_SOCKET": str(tmp_path / "none")}).notify("READY=1")
    assert ["cannot notify systemd"] == [each.message for each in caplog.records]


def test_systemd_does_not_read(systemd: socket.socket) -> None:
    """A full socket buffer does not block: further messages are dropped."""
    notifying = notifier(systemd)
    for _ in range(1000):  # net.unix.max_dgram_qlen is at most 512 by default
        notifying.notify("WATCHDOG=1")
    assert is_silent(systemd)


def test_watchdog_hears_of_progress(systemd: socket.socket) -> None:
    """Pings stop while a scrape hangs, and start again after that scrape has ended."""
    hanging = Waiting()

    def client(port: int) -> None:
        assert [PING] * 3 == [systemd.recv(1000) for _ in range(3)]
        with socket.create_connection(("127.0.0.1", port)) as scraper:
            scraper.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            assert hanging.started.wait(5)
            assert 200 == request(port, "/-/healthy").status
            assert is_silent(systemd)
            hanging.may_end.set()
            assert PING == systemd.recv(1000)

    watched = notifier(systemd, WATCHDOG_USEC="2000", WATCHDOG_PID=str(os.getpid()))
    serve(example_service(hanging), client, notifier=watched)


@pytest.mark.parametrize(
    "variables", [{}, {"WATCHDOG_USEC": "2000", "WATCHDOG_PID": "1"}]
)
def test_no_watchdog(systemd: socket.socket, variables: dict[str, str]) -> None:
    """Without a watchdog for this process no ping is sent; STOPPING=1 is."""
    watched = notifier(systemd, **variables)
    serve(example_service(), lambda port: request(port, "/metrics"), notifier=watched)
    assert b"STOPPING=1" == systemd.recv(1000)
    assert is_silent(systemd)


def pass_to_child(*sockets: socket.socket, pid: str = "$$") -> tuple[int, str]:
    """Pass *sockets* as systemd does; return the child's exit status and output."""
    moved = [os.dup(each.fileno()) for each in sockets]
    places = "".join(f" {3 + n}<&{fd}" for n, fd in enumerate(moved))
    script = f'LISTEN_FDS={len(moved)} LISTEN_PID={pid} exec "$@"{places}'
    command = ["bash", "-c", script, "bash", sys.executable, str(PASSED)]
    done = subprocess.run(
        command, pass_fds=moved, capture_output=True, text=True, check=False
    )
    for fd in moved:
        os.close(fd)
    return done.returncode, done.stdout + done.stderr


def listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def listening_on_unix() -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    server.bind("")  # the kernel chooses a name; unix(7)
    server.listen()
    return server


def test_passed_sockets() -> None:
    """Passed sockets keep their order, and are non-blocking and not inheritable."""
    with listening() as one, listening() as other:
        ports = [each.getsockname()[1] for each in (one, other)]
        status, output = pass_to_child(one, other)
    assert (0, [f"{port} False False" for port in ports]) == (
        status,
        output.splitlines(),
    )


def test_sockets_of_another_process() -> None:
    """Sockets passed to another process are not used."""
    with listening() as one:
        status, output = pass_to_child(one, pid="1")
    assert 1 == status
    assert "systemd passed no socket. Start fanotify-exporter.socket" in output


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
        lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        listening_on_unix,
    ],
    ids=["not-listening", "udp", "unix"],
)
def test_sockets_of_another_kind(wrong: Callable[[], socket.socket]) -> None:
    """A socket that does not listen on TCP is refused by its descriptor number."""
    with listening() as one, wrong() as other:
        status, output = pass_to_child(one, other)
    assert 1 == status
    assert "systemd passed descriptor 4, which does not listen on TCP" in output


def test_no_sockets() -> None:
    """Without passed sockets --web.systemd-socket is refused, with advice."""
    with pytest.raises(ListenError, match="systemd passed no socket"):
        passed_sockets({})


@pytest.mark.parametrize("value", ["", "two", "-1", "2.5", "\u0662", "9" * 5000])
def test_variables_that_are_no_numbers(value: str) -> None:
    """A value that is not a number is bad usage, and the error names the variable."""
    own = str(os.getpid())
    with pytest.raises(UsageError, match=r"^LISTEN_FDS is '"):
        passed_sockets({"LISTEN_FDS": value, "LISTEN_PID": own})
    with pytest.raises(UsageError, match=r"^WATCHDOG_USEC is '"):
        SystemdNotifier({"WATCHDOG_USEC": value, "WATCHDOG_PID": own})
