"""The exporter stops within a second and leaves nothing in the kernel."""

from __future__ import annotations

import errno
import select
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tools.harness import bpf_objects, caller
from tools.harness.caller import Calls
from tools.harness.processes import DEADLINE_SECONDS, poll
from tools.harness.serving import Exporter


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


def test_a_killed_exporter_leaves_nothing(exporter: Exporter) -> None:
    """After SIGKILL the kernel removes programs and maps."""
    objects = bpf_objects.held_by(exporter.pid)
    status, _ = exporter.stop(signal.SIGKILL)
    assert status == -signal.SIGKILL
    assert (
        poll(lambda: bpf_objects.still_there(objects), lambda left: not left) == set()
    )
