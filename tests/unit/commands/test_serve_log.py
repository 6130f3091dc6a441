"""A serving exporter whose log nobody reads."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tools import CHECKOUT
from tools.harness.web_server import request


# Not the stand-in that a fixture puts into sys.executable.
PYTHON = sys.executable

DROPPED = rb"(?m)^fanotify_exporter_log_records_dropped_total (\S+)$"


@contextmanager
def unread_exporter() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Serve with stderr in a pipe that is read up to the line "listening" only."""
    serving = ["-m", "tests.unit.fixtures.audited_exporter", sys.executable]
    flags = ["--web.listen-address=127.0.0.1:0", "--log.level=debug"]
    with subprocess.Popen(
        [PYTHON, *serving, os.devnull, *flags], cwd=CHECKOUT, stderr=subprocess.PIPE
    ) as exporter:
        try:
            assert exporter.stderr
            for line in exporter.stderr:
                if found := re.search(rb"address=127\.0\.0\.1:(\d+)", line):
                    yield exporter, int(found[1])
                    break
        finally:
            exporter.kill()


@pytest.mark.usefixtures("handing_over_child")
def test_nobody_reads_the_log() -> None:
    """Every request is answered, dropped records are counted, and SIGTERM works."""
    path = "/" + "x" * 2000
    with unread_exporter() as (exporter, port):
        for _ in range(300):
            assert 404 == request(port, path).status
        dropped = re.findall(DROPPED, request(port, "/metrics").body)
        assert float(dropped[0]) > 0
        sent = time.monotonic()
        exporter.terminate()
        assert 0 == exporter.wait(10)
        assert time.monotonic() - sent < 2
