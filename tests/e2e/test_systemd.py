"""sd_notify messages and socket activation, with a socket in place of systemd."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

from tools.harness.serving import LISTEN, request, serving


def test_notifies_systemd(tmp_path: Path) -> None:
    """The exporter sends READY=1 when it serves, WATCHDOG=1, and STOPPING=1."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        env = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "500000"}
        with serving(tmp_path / "exporter.log", LISTEN, env=env) as exporter:
            ready, status = systemd.recv(1000).decode().split("\n")
            assert "READY=1" == ready
            assert status.startswith("STATUS=Counting by ")
            assert status.endswith(f", listening on {exporter.addresses[0]}")
            assert b"WATCHDOG=1" == systemd.recv(1000)
            assert 0 == exporter.stop(signal.SIGTERM)[0]
        messages = [b"WATCHDOG=1"]
        while messages[-1] == b"WATCHDOG=1":
            messages.append(systemd.recv(1000))
        assert b"STOPPING=1" == messages[-1]


def test_serves_on_a_socket_of_systemd(tmp_path: Path) -> None:
    """A request that arrived before the start is answered after the start."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        fd = listening.fileno()
        script = f'LISTEN_FDS=1 LISTEN_PID=$$ exec "$@" 3<&{fd}'
        prefix = ("bash", "-c", script, "bash")
        with socket.create_connection(("127.0.0.1", port), timeout=30) as early:
            early.sendall(b"GET /-/ready HTTP/1.1\r\nHost: x\r\n\r\n")
            log, flag = tmp_path / "exporter.log", "--web.systemd-socket"
            with serving(log, flag, prefix=prefix, pass_fds=[fd]) as exporter:
                assert (f"127.0.0.1:{port}",) == exporter.addresses
                assert early.recv(15) == b"HTTP/1.1 200 OK"
                assert 200 == request(exporter.addresses[0], "/metrics").status
