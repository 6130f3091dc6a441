"""What systemd is told, over a socket like its own, and what it passes."""

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
    """Give what systemd reads; its address is the path of the socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(10)
        yield receiver


def supervisor(systemd: socket.socket, **variables: str) -> SystemdNotifier:
    return SystemdNotifier({"NOTIFY_SOCKET": systemd.getsockname(), **variables})


def is_silent(systemd: socket.socket) -> bool:
    """Return whether for 0.2 seconds nothing more comes, of 10,000 messages at most."""
    systemd.settimeout(0.2)
    try:
        return not all(systemd.recv(1000) for _ in range(10_000))
    except TimeoutError:
        return True
    finally:
        systemd.settimeout(10)


def test_tells(systemd: socket.socket) -> None:
    """Assignments come as one datagram, a line each."""
    supervisor(systemd).notify("READY=1", "STATUS=Serving")
    assert b"READY=1\nSTATUS=Serving" == systemd.recv(1000)


def test_abstract_address() -> None:
    """An address that begins with @ is in no file system; unix(7)."""
    name = f"fanotify-exporter-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"\0{name}")
        receiver.settimeout(10)
        SystemdNotifier({"NOTIFY_SOCKET": f"@{name}"}).notify("READY=1")
        assert b"READY=1" == receiver.recv(1000)


def test_nobody_to_tell(caplog: pytest.LogCaptureFixture) -> None:
    """Without systemd nobody is told, and that is not worth a word."""
    SystemdNotifier({}).notify("READY=1")
    assert [] == caplog.records


def test_systemd_is_gone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A socket that is not there costs a line in the log, and nothing else."""
    SystemdNotifier({"NOTIFY_SOCKET": str(tmp_path / "none")}).notify("READY=1")
    assert ["systemd was not told"] == [each.message for each in caplog.records]


def test_systemd_does_not_read(systemd: socket.socket) -> None:
    """Whoever does not take messages holds nothing up: more are dropped."""
    telling = supervisor(systemd)
    for _ in range(10_000):
        telling.notify("WATCHDOG=1")
    assert is_silent(systemd)


def test_watchdog_hears_of_progress(systemd: socket.socket) -> None:
    """Pings come while scrapes go on, stop while one hangs, and then come again."""
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

    watched = supervisor(systemd, WATCHDOG_USEC="2000", WATCHDOG_PID=str(os.getpid()))
    serve(example_service(hanging), client, notifier=watched)


@pytest.mark.parametrize(
    "variables", [{}, {"WATCHDOG_USEC": "2000", "WATCHDOG_PID": "1"}]
)
def test_no_watchdog(systemd: socket.socket, variables: dict[str, str]) -> None:
    """Without a watchdog, or with another's, there is no ping; a stop is told."""
    watched = supervisor(systemd, **variables)
    serve(example_service(), lambda port: request(port, "/metrics"), notifier=watched)
    assert b"STOPPING=1" == systemd.recv(1000)
    assert is_silent(systemd)


def pass_to_child(*sockets: socket.socket, pid: str = "$$") -> tuple[int, str]:
    """Pass *sockets* as systemd does; return the status and the output of the child."""
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
    """Sockets come in systemd's order; no child gets them, and no accept waits."""
    with listening() as one, listening() as other:
        ports = [each.getsockname()[1] for each in (one, other)]
        status, said = pass_to_child(one, other)
    assert (0, [f"{port} False False" for port in ports]) == (status, said.splitlines())


def test_sockets_of_another_process() -> None:
    """What was passed to a parent is not taken."""
    with listening() as one:
        status, said = pass_to_child(one, pid="1")
    assert 1 == status
    assert "systemd passed no socket. Start fanotify-exporter.socket" in said


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
    """What does not listen on TCP is refused by its number."""
    with listening() as one, wrong() as other:
        status, said = pass_to_child(one, other)
    assert 1 == status
    assert "descriptor 4 does not listen on TCP" in said


def test_no_sockets() -> None:
    """Without systemd the flag is refused, with what to do."""
    with pytest.raises(ListenError, match="systemd passed no socket"):
        passed_sockets({})


@pytest.mark.parametrize("value", ["", "two", "-1", "2.5", "\u0662", "9" * 5000])
def test_variables_that_are_no_numbers(value: str) -> None:
    """What systemd would not set is bad usage, and the variable is named."""
    own = str(os.getpid())
    with pytest.raises(UsageError, match=r"^LISTEN_FDS is '"):
        passed_sockets({"LISTEN_FDS": value, "LISTEN_PID": own})
    with pytest.raises(UsageError, match=r"^WATCHDOG_USEC is '"):
        SystemdNotifier({"WATCHDOG_USEC": value, "WATCHDOG_PID": own})
