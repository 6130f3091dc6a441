"""The exporter under a small limit of open descriptors."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from tools.harness.serving import LISTEN, samples, serving


@pytest.mark.parametrize("limit", ["64:64", "64:1024"])
def test_idle_connections_leave_descriptors(tmp_path: Path, limit: str) -> None:
    """However many connections are open, all collectors still read their files."""
    prefix = ("prlimit", f"--nofile={limit}")
    with (
        serving(tmp_path / "log", LISTEN, prefix=prefix) as exporter,
        ExitStack() as idle,
    ):
        _, _, hard = limit.partition(":")
        used = Path(f"/proc/{exporter.pid}/limits").read_text()
        assert f"Max open files            {hard} " in used
        host, _, port = exporter.addresses[0].rpartition(":")
        for _ in range(60):
            idle.enter_context(socket.create_connection((host, int(port))))
        for _ in range(3):
            text = exporter.get().body.decode()
            success = samples(text, "fanotify_exporter_collector_success")
            assert {1} == {sample.value for sample in success}, success
        assert [] == exporter.later_lines()
