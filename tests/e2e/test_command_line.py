"""How flags, and variables in their place, shape what the exporter does."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from fanotify_exporter import __version__
from tools.harness.processes import environment
from tools.harness.serving import LISTEN, SCRIPT, Exporter, request, samples, serving


def test_one_line_says_what_runs(exporter: Exporter) -> None:
    """The line that says that it listens says with which hook, kernel and bcc."""
    line = exporter.process.line("listening")
    assert "level=info" in line
    assert f"version={__version__} address=127.0.0.1:" in line
    assert re.search(r" hook=\w+:\S*fanotify_mark\S* ", line)
    assert f"kernel={os.uname().release}" in line
    assert "bcc=" in line


@pytest.mark.parametrize(
    ("flag", "said"),
    [("--version", f"fanotify-exporter {__version__}\n"), ("--help", "--bpf.hook")],
)
def test_questions_are_answered_on_stdout(flag: str, said: str) -> None:
    """--version and --help print and succeed, with no need to be root."""
    ended = subprocess.run(
        [SCRIPT, flag], env=environment(), capture_output=True, text=True, check=True
    )
    assert said in ended.stdout
    assert ended.stderr == ""


def test_telemetry_path_and_two_addresses(tmp_path: Path) -> None:
    """Both addresses serve the path of the flag, and /metrics is no more."""
    with serving(
        tmp_path / "exporter.log",
        LISTEN,
        "--web.listen-address=127.0.0.2:0",
        "--web.telemetry-path=/fanotify",
    ) as exporter:
        hosts = [address.rpartition(":")[0] for address in exporter.addresses]
        assert hosts == ["127.0.0.1", "127.0.0.2"]
        for address in exporter.addresses:
            assert request(address, "/fanotify").body.startswith(b"# HELP")
            assert request(address, "/metrics").status == 404
        assert b'href="/fanotify"' in exporter.get("/").body


def test_environment_variables_are_flags(tmp_path: Path) -> None:
    """A variable stands for its flag, commas for repetition; the flag itself wins."""
    variables = {
        "FANOTIFY_EXPORTER_WEB_LISTEN_ADDRESS": "127.0.0.1:0,127.0.0.2:0",
        "FANOTIFY_EXPORTER_WEB_TELEMETRY_PATH": "/from-variable",
        "FANOTIFY_EXPORTER_BPF_MAX_ENTRIES": "64",
        "FANOTIFY_EXPORTER_COLLECTOR_MARK_CALLS": "false",
        "FANOTIFY_EXPORTER_LOG_FORMAT": "json",
    }
    with serving(
        tmp_path / "exporter.log", "--web.telemetry-path=/from-flag", env=variables
    ) as exporter:
        assert json.loads(exporter.process.line("listening"))["level"] == "info"
        assert len(exporter.addresses) == 2
        assert exporter.get("/from-variable").status == 404
        text = exporter.get("/from-flag").body.decode()
    sizes = samples(text, "fanotify_exporter_map_max_entries")
    assert {sample.value for sample in sizes} == {64}
    assert "fanotify_mark_calls" not in text
