"""The end of the server on a signal."""

from __future__ import annotations

import http.client
import signal
import subprocess
import sys
import time
from pathlib import Path


FIXTURES = Path(__file__).parents[1] / "fixtures"


def test_stop_during_a_hanging_scrape() -> None:
    """SIGTERM ends the process although a scrape never returns."""
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
