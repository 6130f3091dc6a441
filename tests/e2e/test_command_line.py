"""The installed program: its commands, its flags, and the variables of flags."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from fanotify_exporter import __version__
from tools.harness import bpf_objects
from tools.harness.processes import DEADLINE_SECONDS, environment, poll, running
from tools.harness.serving import LISTEN, SCRIPT, Exporter, request, samples, serving


def test_start_is_logged(exporter: Exporter) -> None:
    """The log line of the start names the version, the hook, the kernel and bcc."""
    line = exporter.process.line("listening")
    assert "level=info" in line
    assert f"version={__version__} address=127.0.0.1:" in line
    assert re.search(r" hook=\w+ attach_points=\w+:\S*fanotify_mark\S* ", line)
    assert f"kernel={os.uname().release}" in line
    assert "bcc=" in line


def run(
    *arguments: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the program to its end, with only the exporter variables of *env*."""
    return subprocess.run(
        [SCRIPT, *arguments],
        env=environment(env),
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_SECONDS,
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--version"], f"fanotify_exporter, version {__version__} (revision: "),
        (["--help"], "--bpf.hook"),
        (["check", "--help"], "--json"),
        (["unpin", "--help"], "--bpf.pin"),
        (["healthcheck", "--help"], "--web.listen-address"),
    ],
)
def test_help_and_version(arguments: list[str], said: str) -> None:
    """--version and --help of each command print to stdout and exit with 0."""
    ended = run(*arguments)
    assert said in ended.stdout
    assert ("", 0) == (ended.stderr, ended.returncode)


def test_check() -> None:
    """``check`` has a row for each hook, and its exit status says if one works."""
    ended = run("check", "--json")
    report = json.loads(ended.stdout)
    assert ["fentry", "kprobe", "tracepoint", "raw_tracepoint"] == [
        trial["hook"] for trial in report["trials"]
    ]
    working = [trial["hook"] for trial in report["trials"] if trial["works"]]
    assert [report["chosen"]] == working[:1]
    assert ("", 0) == (ended.stderr, ended.returncode)


def test_healthcheck(exporter: Exporter) -> None:
    """``healthcheck`` exits with 0 if an exporter answers, and otherwise with 1."""
    (address,) = exporter.addresses
    assert 0 == run("healthcheck", f"--web.listen-address={address}").returncode
    variable = {"FANOTIFY_EXPORTER_WEB_LISTEN_ADDRESS": address}
    assert 0 == run("healthcheck", env=variable).returncode
    exporter.stop(signal.SIGTERM)
    ended = run("healthcheck", env=variable)
    assert 1 == ended.returncode
    assert (
        f"fanotify-exporter: no exporter answers on {address}: Connection refused\n"
    ) == ended.stderr


def test_disable_defaults(tmp_path: Path) -> None:
    """With --collector.disable-defaults only the collectors that are named run."""
    flags = (LISTEN, "--collector.disable-defaults", "--collector.limits")
    with serving(tmp_path / "exporter.log", *flags) as exporter:
        text = exporter.get().body.decode()
    ran = samples(text, "fanotify_exporter_collector_success")
    always = {"exporter_health", "process"}
    assert {"limits", *always} == {each.labels["collector"] for each in ran}


def test_only_needed_calls_are_counted(tmp_path: Path) -> None:
    """The collector mark_calls needs fanotify_mark(2), so no other call is counted."""
    flags = (LISTEN, "--collector.disable-defaults", "--collector.mark_calls")
    with serving(tmp_path / "exporter.log", *flags) as exporter:
        text = exporter.get().body.decode()
    for name in ("probe_attached", "lost_calls_total"):
        found = samples(text, f"fanotify_exporter_{name}")
        assert {"fanotify_mark"} == {each.labels["probe"] for each in found}


def test_nothing_is_attached_for_limits(tmp_path: Path) -> None:
    """Without a collector of calls the exporter holds no BPF object, and is ready."""
    flags = (LISTEN, "--collector.disable-defaults", "--collector.limits")
    with serving(tmp_path / "exporter.log", *flags) as exporter:
        assert set() == bpf_objects.held_by(exporter.pid)
        assert 200 == exporter.get("/-/ready").status
        assert 200 == exporter.get("/").status
        text = exporter.get().body.decode()
        assert "hook=none" in exporter.process.line("listening")
    assert samples(text, "fanotify_user_groups_limit")
    assert [] == samples(text, "fanotify_exporter_probe_attached")
    assert [] == samples(text, "fanotify_exporter_counting_start_time_seconds")


def test_telemetry_path_and_two_addresses(tmp_path: Path) -> None:
    """Both addresses serve the path of the flag, and /metrics is not found."""
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
    """A variable stands for its flag, unless empty or unknown, and the flag wins."""
    variables = {
        "FANOTIFY_EXPORTER_WEB_LISTEN_ADDRESS": "127.0.0.1:0,127.0.0.2:0",
        "FANOTIFY_EXPORTER_WEB_CONFIG_FILE": "",
        "FANOTIFY_EXPORTER_LOGLEVEL": "debug",
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
        warning = json.loads(exporter.process.line("unknown variable: ignored"))
        assert warning["variable"] == "FANOTIFY_EXPORTER_LOGLEVEL"
        assert warning["did_you_mean"] == "FANOTIFY_EXPORTER_LOG_LEVEL"
        assert exporter.get("/from-variable").status == 404
        text = exporter.get("/from-flag").body.decode()
    sizes = {
        sample.labels["map"]: sample.value
        for sample in samples(text, "fanotify_exporter_map_max_entries")
    }
    assert (64, 1024) == (sizes["calls_privileged"], sizes["calls_user"])
    assert "fanotify_mark_calls_total" not in text


def test_closed_standard_streams(tmp_path: Path) -> None:
    """A parent that closes descriptors 0 to 2 gets an exporter that serves."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    script = f"exec {SCRIPT} --web.listen-address={address} <&- >&- 2>&-"
    with running(["sh", "-c", script], tmp_path / "exporter.log") as exporter:

        def status() -> int:
            with suppress(OSError):
                return request(address, "/-/healthy").status
            return 0

        assert 200 == poll(status, lambda s: s or exporter.process.poll() is not None)
        streams = Path(f"/proc/{exporter.pid}/fd")
        assert ["/dev/null"] * 3 == [str((streams / n).readlink()) for n in "012"]
        exporter.process.send_signal(signal.SIGTERM)
        assert 0 == exporter.process.wait(DEADLINE_SECONDS)
