"""The exporter stops within a second and leaves nothing in the kernel."""

from __future__ import annotations

import errno
import os
import re
import select
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from fanotify_exporter.bpf.pins import DESCRIPTION
from tools.harness import bpf_objects, caller
from tools.harness.caller import Calls
from tools.harness.processes import DEADLINE_SECONDS, poll, running
from tools.harness.serving import LISTEN, SCRIPT, Exporter


pytestmark = pytest.mark.whole_host

STOP = (signal.SIGTERM, signal.SIGINT)
STOP_SECONDS = 1.0
# So many keys that a response exceeds the socket buffers of a connection.
KEYS = 8000


@contextmanager
def connected(exporter: Exporter, sent: bytes) -> Iterator[socket.socket]:
    """Connect a client with a small receive buffer that reads no response."""
    host, _, port = exporter.addresses[0].rpartition(":")
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect((host, int(port)))
        client.sendall(sent)
        yield client


@contextmanager
def stalled_clients(exporter: Exporter, folder: Path) -> Iterator[None]:
    """Connect three clients: silent, with half a request, with an unread response."""
    caller.make(
        folder,
        *(Calls(b"e2e-stop", 1, key << 40, 1, errno.EINVAL) for key in range(KEYS)),
    )
    ask = (
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: application/openmetrics-text\r\n"
    )
    with ExitStack() as clients:
        clients.enter_context(connected(exporter, b""))
        clients.enter_context(connected(exporter, ask))
        asked = clients.enter_context(connected(exporter, ask + b"\r\n"))
        answered, _, _ = select.select([asked], [], [], DEADLINE_SECONDS)
        assert answered
        yield


@pytest.mark.parametrize("number", STOP)
def test_stops_within_a_second(exporter: Exporter, number: signal.Signals) -> None:
    """SIGTERM and SIGINT exit with status 0 and remove programs and maps."""
    objects = bpf_objects.held_by(exporter.pid)
    assert {kind for kind, _ in objects} == {"prog_id", "map_id"}
    assert bpf_objects.still_there(objects) == objects

    status, seconds = exporter.stop(number)

    assert status == 0
    assert seconds < STOP_SECONDS
    # The kernel frees programs and maps a moment after closing the last descriptor.
    assert (
        poll(lambda: bpf_objects.still_there(objects), lambda left: not left) == set()
    )
    assert exporter.later_lines() == []


@pytest.mark.parametrize("number", STOP)
def test_stops_within_a_second_with_stalled_clients(
    exporter: Exporter, tmp_path: Path, number: signal.Signals
) -> None:
    """Stalled clients neither delay the exit nor cause log lines."""
    objects = bpf_objects.held_by(exporter.pid)
    with stalled_clients(exporter, tmp_path):
        status, seconds = exporter.stop(number)
    assert status == 0
    assert seconds < STOP_SECONDS
    assert (
        poll(lambda: bpf_objects.still_there(objects), lambda left: not left) == set()
    )
    assert exporter.later_lines() == []


def test_stop_is_logged(exporter: Exporter) -> None:
    """The last two log lines name the signal, and say that the end was clean."""
    exporter.stop(signal.SIGTERM)
    stopping, stopped = exporter.process.lines()[-2:]
    assert stopping.endswith(" msg=stopping signal=SIGTERM\n")
    assert stopped.endswith(" msg=stopped\n")


def test_hangup_is_ignored(exporter: Exporter) -> None:
    """SIGHUP, by which people ask for the configuration to be read, ends nothing."""
    os.kill(exporter.pid, signal.SIGHUP)
    assert 200 == exporter.get("/-/healthy").status
    assert (0, []) == (exporter.stop(signal.SIGTERM)[0], exporter.later_lines())


def catches(pid: int, number: signal.Signals) -> bool:
    """Return whether process *pid* has a handler for the signal *number*."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^SigCgt:\s+(\w+)$", status, re.MULTILINE)
    return bool(found and int(found[1], 16) >> (number - 1) & 1)


def processes_with(variable: str) -> list[str]:
    """Return the pids of running processes with *variable* in their environment."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # the process has ended
            if variable.encode() in environ.read_bytes():
                found.append(environ.parent.name)
    return found


# Seconds from the first line of the program to the signal: imports, the start of the
# loader child, compiling, attaching, pinning, the first requests.
@pytest.mark.parametrize("wait", [0.0, 0.1, 0.2, 0.4, 0.8, 1.2, 1.6, 2.0, 2.4])
def test_stop_during_the_start(wait: float, pins: Path, tmp_path: Path) -> None:
    """SIGTERM during the start: status 0, no child and no half-made pins are left."""
    command: list[str | Path] = [SCRIPT, LISTEN, f"--bpf.pin={pins}"]
    mark = {"E2E_STOP": str(tmp_path)}
    with running(command, tmp_path / "exporter.log", env=mark) as exporter:
        poll(lambda: catches(exporter.pid, signal.SIGTERM))
        time.sleep(wait)
        os.kill(exporter.pid, signal.SIGTERM)
        status = exporter.process.wait(DEADLINE_SECONDS)
        *_, stopping, stopped = exporter.lines()
    assert 0 == status
    assert " msg=stopping signal=SIGTERM\n" in stopping
    assert " msg=stopped pins=kept\n" in stopped
    assert [] == processes_with(f"E2E_STOP={tmp_path}")
    assert all((each / DESCRIPTION).exists() for each in pins.iterdir())


def test_a_killed_exporter_leaves_nothing(exporter: Exporter) -> None:
    """After SIGKILL the kernel removes programs and maps."""
    objects = bpf_objects.held_by(exporter.pid)
    status, _ = exporter.stop(signal.SIGKILL)
    assert status == -signal.SIGKILL
    assert (
        poll(lambda: bpf_objects.still_there(objects), lambda left: not left) == set()
    )
