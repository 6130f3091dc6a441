"""The end of the server on a signal, and the log records of tornado."""

from __future__ import annotations

import http.client
import logging
import signal
import subprocess
import sys
import time

import pytest

from fanotify_exporter.web.server import filter_tornado
from tools import CHECKOUT


def test_stop_during_a_hanging_scrape() -> None:
    """SIGTERM ends the process although a scrape never returns."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.unit.fixtures.hanging_scrape"],
        cwd=CHECKOUT,
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


@pytest.mark.parametrize(
    ("error", "logged", "level"),
    [
        (None, False, "DEBUG"),
        (ConnectionResetError(), False, "DEBUG"),
        (ZeroDivisionError(), True, "WARNING"),
    ],
)
def test_log_records_of_tornado(
    error: Exception | None,
    *,
    logged: bool,
    level: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Records about clients become debug records; records about bugs are unchanged."""
    exc_info = (type(error), error, None) if error else None
    record = logging.LogRecord("", logging.WARNING, "", 1, "text", (), exc_info)
    with caplog.at_level(logging.INFO):
        assert logged == filter_tornado(record)
    assert level == record.levelname
