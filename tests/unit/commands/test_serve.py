"""Serving: the whole program with a loader that needs no kernel, and its parts."""

from __future__ import annotations

import gc
import logging
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, redirect_stderr
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path

import pytest

from fanotify_exporter import __version__
from fanotify_exporter.cli import main
from fanotify_exporter.commands import serve, wait_source
from fanotify_exporter.commands.live_sources import LiveSources
from fanotify_exporter.commands.programs import Programs, log_programs
from fanotify_exporter.system import seccomp
from tools.harness.loaded_programs import WITHOUT_MAPS


LISTEN = "--web.listen-address=127.0.0.1:0"

# A start takes a second; on a busy machine many times as long.
START_SECONDS = 60

LOADED = replace(WITHOUT_MAPS, reasons={"fentry": "no BTF"})

own_root_logger = pytest.mark.usefixtures("root_logger", "signal_handlers")
# The sockets of a start that failed are closed when the process ends, which is later
# here than in the exporter.
leaves_sockets = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(autouse=True)
def dropped(monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """Keep the test process unconfined; return the capabilities that each run keeps."""
    calls: list[set[str]] = []

    def drop(wanted: frozenset[str], _: object) -> frozenset[str]:
        calls.append(set(wanted))
        return wanted

    monkeypatch.setattr(serve, "drop", drop)
    monkeypatch.setattr(seccomp, "install", lambda _: None)
    return calls


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def flush_log() -> None:
    """Wait for the thread that writes the log, as the interpreter does at its end."""
    for handler in logging.getLogger().handlers:
        handler.flush()


class Served:
    """One run of the whole program, which is scraped once and then stopped."""

    def __init__(self, folder: Path, *paths: str) -> None:
        self.answers: dict[str, tuple[int, str]] = {}
        self._ended = threading.Event()
        self._log = folder / "stderr"
        self._paths = paths

    def run(self, *argv: str) -> int:
        client = threading.Thread(target=self._scrape_and_stop)
        with self._log.open("w", buffering=1) as log, redirect_stderr(log):
            client.start()
            status = main([LISTEN, *argv])
            flush_log()
            self._ended.set()
        client.join()
        gc.unfreeze()
        return status

    def _scrape_and_stop(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not (found := re.search(r"address=127\.0\.0\.1:(\d+)", self.log)):
            if self._ended.wait(0.01):
                return
            if time.monotonic() > deadline:
                os.kill(os.getpid(), signal.SIGINT)
                return
        connection = HTTPConnection("127.0.0.1", int(found[1]), timeout=START_SECONDS)
        for path in self._paths:
            connection.request("GET", path)
            answer = connection.getresponse()
            self.answers[path] = (answer.status, answer.read().decode())
        connection.close()
        os.kill(os.getpid(), signal.SIGTERM)

    @property
    def log(self) -> str:
        return self._log.read_text()


@own_root_logger
@pytest.mark.usefixtures("handing_over_child")
def test_whole_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program loads, says where it listens, counts, and stops with status 0."""
    monkeypatch.setattr(wait_source, "unseen_reason", lambda _: "hidden")
    served = Served(tmp_path, "/metrics", "/-/ready", "/")
    assert 0 == served.run("--bpf.max-entries=1")

    status, text = served.answers["/metrics"]
    assert 200 == status
    assert (
        'fanotify_mark_calls_total{action="add",comm="fatrace",'
        'flags="FAN_MARK_ADD|FAN_MARK_MOUNT",mark_type="mount",mask="FAN_OPEN"} 23.0\n'
    ) in text
    assert (
        'fanotify_exporter_lost_calls_total{probe="fanotify_mark",reason="no_entry"}'
        " 7.0\n"
    ) in text
    assert 'fanotify_exporter_map_entries{map="calls_privileged"} 1.0\n' in text
    assert 'fanotify_exporter_collector_success{collector="mark_calls"} 1.0\n' in text
    assert (200, "Ready.\n") == served.answers["/-/ready"]
    assert 200 == served.answers["/"][0]

    lines = served.log.splitlines()
    starting, dropped, *attaching, listening, full, stopping, stopped = lines
    attached, compat, slow, permission, unseen, groups, calls = attaching
    assert f'msg="starting fanotify-exporter" version={__version__} ' in starting
    assert " revision=" in starting
    assert 'msg="dropped privileges" capabilities_kept=CAP_DAC_READ_SEARCH' in dropped
    assert (
        'msg=attached hook=tracepoint skipped="fentry: not in this kernel"'
    ) in attached
    assert "level=warn" in compat
    assert "32-bit compat calls are not counted" in compat
    assert "level=warn" in slow
    assert "slows every system call" in slow
    assert "msg=attached programs=permission hook=kprobe" in permission
    assert 'msg="tasks that wait for a permission listener are not seen"' in unseen
    assert "; hidden" in unseen
    assert 'msg="groups and inotify instances are read from /proc"' in groups
    assert 'msg="calls of fanotify_mark in progress are read from /proc"' in calls
    assert "msg=listening" in listening
    for key in ("version", "address", "hook", "attach_points", "kernel", "bcc"):
        assert f" {key}=" in listening
    assert "level=warn" in full
    assert " map=calls_privileged " in full
    assert stopping.endswith(" msg=stopping signal=SIGTERM")
    assert stopped.endswith(" msg=stopped")


@own_root_logger
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_while_loading(
    number: signal.Signals,
    loader_child: Callable[[str], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A signal ends the loader child, and the exporter exits with status 0."""
    loader_child(f"kill -{number.value} $PPID; exec sleep 60")
    started = time.monotonic()
    assert 0 == main([LISTEN])
    assert time.monotonic() - started < 10
    *_, stopping, stopped = capsys.readouterr().err.splitlines()
    assert stopping.endswith(f" msg=stopping signal={number.name}")
    assert stopped.endswith(" msg=stopped")


@own_root_logger
@pytest.mark.usefixtures("handing_over_child")
def test_stop_before_serving(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A signal that arrives while the programs are attached is not forgotten."""

    def interrupted(programs: Programs, live: LiveSources) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        log_programs(programs, live)

    monkeypatch.setattr(serve, "log_programs", interrupted)
    assert 0 == main([LISTEN])
    gc.unfreeze()
    flush_log()
    assert " msg=stopping signal=SIGTERM\n" in capfd.readouterr().err


@own_root_logger
@pytest.mark.usefixtures("handing_over_child")
def test_hangup_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """SIGHUP, by which people ask for the configuration to be read, ends nothing."""

    def interrupted(programs: Programs, live: LiveSources) -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        log_programs(programs, live)

    monkeypatch.setattr(serve, "log_programs", interrupted)
    served = Served(tmp_path, "/-/healthy")
    assert 0 == served.run()
    assert 200 == served.answers["/-/healthy"][0]


@own_root_logger
@leaves_sockets
@pytest.mark.parametrize(
    ("flag", "status", "said"),
    [
        ("--web.listen-address=nowhere", 2, "'nowhere' is not an address"),
        ("--web.config.file=", 1, "cannot read"),
        ("--web.config.file=none.yml", 1, "fanotify-exporter: cannot read none.yml: "),
        ("--run.user=nobody-has-this-name", 2, "there is no user"),
        ("--run.user=", 2, "there is no user ''"),
        ("--path.procfs=/sys", 2, "--path.procfs: there is no procfs at /sys."),
    ],
)
def test_error_before_loading(
    flag: str,
    status: int,
    said: str,
    loader_child: Callable[[str], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Addresses, web configuration and user are checked before anything is loaded."""
    loader_child("echo 'the loader ran' >&2; exit 1")
    assert status == main([LISTEN, flag])
    printed = capsys.readouterr()
    assert "" == printed.out
    starting, error = printed.err.splitlines()
    assert 'msg="starting fanotify-exporter"' in starting
    assert error.startswith("fanotify-exporter: ")
    assert said in error


@own_root_logger
@leaves_sockets
def test_unknown_variables(
    loader_child: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A variable that stands for no flag is a warning, one of Kubernetes is not."""
    loader_child("exit 1")
    monkeypatch.setenv("FANOTIFY_EXPORTER_LOGLEVEL", "debug")
    monkeypatch.setenv("FANOTIFY_EXPORTER_SERVICE_HOST", "10.0.0.1")
    main([LISTEN])
    _, warning, _ = capsys.readouterr().err.splitlines()
    assert "level=warn" in warning
    assert 'msg="unknown variable: ignored"' in warning
    assert "did_you_mean=FANOTIFY_EXPORTER_LOG_LEVEL" in warning


@own_root_logger
@leaves_sockets
def test_loader_that_fails(
    loader_child: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Programs that cannot be loaded are one line after the log, and exit status 1."""
    loader_child("echo 'no kernel for you' >&2; exit 5")
    status = main([LISTEN])
    said = capsys.readouterr()
    assert 1 == status
    assert "" == said.out
    *_, error = said.err.splitlines()
    assert re.fullmatch(r"fanotify-exporter: .+no kernel for you.+", error)


@own_root_logger
def test_bad_watchdog_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A watchdog time that is no number is a usage error that names the variable."""
    monkeypatch.setenv("WATCHDOG_USEC", "soon")
    assert 2 == main([LISTEN])
    assert "WATCHDOG_USEC" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("enabled", "kept"),
    [
        ({"groups", "limits"}, {"CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE"}),
        ({"mark_calls", "limits"}, set()),
        (set(), set()),
    ],
)
def test_capabilities_are_those_of_the_collectors(
    enabled: set[str], kept: set[str], dropped: list[set[str]]
) -> None:
    """Serving keeps the capabilities that enabled collectors need, and no others."""
    serve.drop_privileges(frozenset(enabled), None)
    assert [kept] == dropped


def test_listing_from_proc_keeps_its_capabilities(
    dropped: list[set[str]],
) -> None:
    """The capabilities that listing the waiting tasks takes are kept too."""
    serve.drop_privileges(frozenset({"permission"}), None, frozenset({"CAP_BPF"}))
    assert [{"CAP_BPF"}] == dropped


@own_root_logger
def test_whole_program_without_programs(
    tmp_path: Path, loader_child: Callable[[str], None]
) -> None:
    """Without a collector of calls no loader child runs, and the exporter is ready."""
    loader_child("echo 'the loader ran' >&2; exit 1")
    served = Served(tmp_path, "/metrics", "/-/ready", "/")
    flags = ("--collector.disable-defaults", "--collector.limits")
    assert 0 == served.run(*flags, "--label.container")
    status, text = served.answers["/metrics"]
    assert 200 == status
    assert "fanotify_user_groups_limit " in text
    assert "fanotify_exporter_probe_attached{" not in text
    assert "fanotify_exporter_lost_calls_total{" not in text
    assert (200, "Ready.\n") == served.answers["/-/ready"]
    assert 200 == served.answers["/"][0]
    assert "no enabled collector counts calls: nothing is attached" in served.log
