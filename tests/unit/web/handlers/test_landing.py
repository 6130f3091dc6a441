"""The landing page over HTTP."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from hashlib import sha256

import pytest

from fanotify_exporter import __version__
from fanotify_exporter.commands.waits import to_rows
from tools.harness.stall import SCANNED, stalled
from tools.harness.web_server import (
    Failing,
    ask,
    example_service,
)


def test_links() -> None:
    """The page links all paths, has the version, and must not be cached."""
    answer = ask(example_service(), "/")
    for path in ("/metrics", "/-/healthy", "/-/ready"):
        assert f'href="{path}"'.encode() in answer.body
    assert __version__.encode() in answer.body
    assert f"on {os.uname().nodename}".encode() in answer.body
    assert "no-store" == answer.headers["Cache-Control"]


def test_policy() -> None:
    """The policy allows exactly the style and the script of the page."""
    answer = ask(example_service(), "/")
    policy = directives(answer.headers["Content-Security-Policy"])
    text = answer.body.decode()
    for element, directive in (("style", "style-src"), ("script", "script-src")):
        (content,) = re.findall(f"<{element}>(.*?)</{element}>", text, re.DOTALL)
        digest = b64encode(sha256(content.encode()).digest()).decode()
        assert [f"'sha256-{digest}'"] == policy.pop(directive)
    assert {
        "default-src": ["'none'"],
        "connect-src": ["'self'"],
        "img-src": ["data:"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
        "frame-ancestors": ["'none'"],
    } == policy


def directives(policy: str) -> dict[str, list[str]]:
    parts = [part.split() for part in policy.split(";")]
    return {name: values for name, *values in parts}


def test_hostile_telemetry_path() -> None:
    """A telemetry path with markup stays inside its link."""
    answer = ask(example_service(telemetry_path='/"><script>'), "/")
    assert b'"/&quot;&gt;&lt;script&gt;"' in answer.body
    assert 1 == answer.body.count(b"<script>")  # the page's own


def test_waiting_tasks() -> None:
    """The page has the tasks that wait when it is asked for, with their pids."""
    waits = to_rows(stalled(), None, SCANNED)
    answer = ask(example_service(waits=lambda: waits), "/")
    assert b"<small>pid 5000</small>" in answer.body
    assert b"Who waits" not in ask(example_service(), "/").body


def test_failing_collector(caplog: pytest.LogCaptureFixture) -> None:
    """An exception in a collector is a 500; the log has the details."""
    answer = ask(example_service(Failing()), "/")
    assert (500, b"500 Internal Server Error\n") == (answer.status, answer.body)
    assert "the inmost secret" in caplog.text
