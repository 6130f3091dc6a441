"""Flags and variables in, options or one line of complaint out; the whole program."""

from __future__ import annotations

import gc
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, redirect_stderr
from http.client import HTTPConnection
from pathlib import Path

import pytest

from fanotify_exporter import __version__
from fanotify_exporter.cli import main
from fanotify_exporter.commands import serve as app
from fanotify_exporter.commands.assemble import build_collectors
from fanotify_exporter.errors import UsageError
from fanotify_exporter.metrics.exposition import encode_text
from fanotify_exporter.options import HOOKS, MAX_MAX_ENTRIES, build_parser, variable
from tools.harness.loaded_programs import UNUSED, make_loaded, pack_slot


FLAGS = (
    "--web.listen-address",
    "--web.telemetry-path",
    "--web.config.file",
    "--bpf.hook",
    "--bpf.max-entries",
    "--bpf.pin",
    "--run.user",
    "--web.systemd-socket",
    "--no-web.systemd-socket",
    "--collector.mark_calls",
    "--no-collector.mark_calls",
    "--collector.init_calls",
    "--no-collector.init_calls",
    "--label.container",
    "--no-label.container",
    "--label.drop",
    "--collector.groups",
    "--no-collector.groups",
    "--collector.groups.interval",
    "--collector.limits",
    "--no-collector.limits",
    "--path.sysfs",
    "--path.procfs",
    "--log.level",
    "--log.format",
    "--help",
    "--version",
)

DEFAULTS = {
    "command": None,
    "path.sysfs": Path("/sys"),
    "path.procfs": Path("/proc"),
    "web.telemetry_path": "/metrics",
    "web.systemd_socket": False,
    "bpf.hook": "auto",
    "bpf.max_entries": 8192,
    "bpf.pin": None,
    "run.user": None,
    "collector.mark_calls": True,
    "collector.init_calls": True,
    "label.container": False,
    "label.drop": (),
    "collector.groups": True,
    "collector.groups.interval": 30,
    "collector.limits": True,
    "log.level": "info",
    "log.format": "logfmt",
}

GOOD = (
    (
        "--web.listen-address",
        "127.0.0.1:9100",
        "web.listen_address",
        ["127.0.0.1:9100"],
    ),
    ("--web.telemetry-path", "/deep/path", "web.telemetry_path", "/deep/path"),
    *(("--bpf.hook", each, "bpf.hook", each) for each in HOOKS),
    ("--path.sysfs", "/host/sys", "path.sysfs", Path("/host/sys")),
    ("--path.procfs", "/host/proc", "path.procfs", Path("/host/proc")),
    *(
        ("--collector.groups.interval", text, "collector.groups.interval", seconds)
        for text, seconds in (
            ("1", 1),
            ("45", 45),
            ("90s", 90),
            ("5m", 300),
            ("24h", 86_400),
            ("86400", 86_400),
        )
    ),
    ("--bpf.max-entries", "1", "bpf.max_entries", 1),
    ("--bpf.max-entries", str(MAX_MAX_ENTRIES), "bpf.max_entries", MAX_MAX_ENTRIES),
    *(
        ("--log.level", each, "log.level", each)
        for each in ("debug", "info", "warn", "error")
    ),
    *(("--log.format", each, "log.format", each) for each in ("logfmt", "json")),
)

BAD = (
    ("--web.telemetry-path", ""),
    ("--web.telemetry-path", "/"),
    ("--web.telemetry-path", "metrics"),
    ("--web.telemetry-path", "/-/ready"),
    ("--bpf.hook", "magic"),
    ("--bpf.hook", ""),
    ("--bpf.max-entries", "0"),
    ("--bpf.max-entries", "-1"),
    ("--bpf.max-entries", str(MAX_MAX_ENTRIES + 1)),
    ("--bpf.max-entries", "1e3"),
    ("--bpf.max-entries", "many"),
    ("--bpf.max-entries", ""),
    ("--bpf.max-entries", "\u00b2"),
    ("--bpf.max-entries", "1_000"),
    ("--bpf.max-entries", " 5"),
    ("--bpf.max-entries", "+5"),
    *(
        ("--collector.groups.interval", text)
        for text in ("", "0", "0s", "25h", "-1s", "1.5s", "1 s", "s", "1d", "\u00b2s")
    ),
    ("--log.level", "INFO"),
    ("--log.level", "loud"),
    ("--log.format", "xml"),
)

MALFORMED_ADDRESSES = (
    "",
    "localhost",
    "10301",
    "localhost:",
    "localhost:http",
    ":65536",
    ":-1",
    ":1.5",
    "http://localhost:10301",
    "http://localhost:10301/metrics",
)


def parse(*argv: str, environ: Mapping[str, str] | None = None) -> dict[str, object]:
    return vars(build_parser().parse(argv, environ or {}))


def complaint(*argv: str, environ: Mapping[str, str] | None = None) -> str:
    """Return what an operator reads about a bad command line: always one line."""
    with pytest.raises(UsageError) as caught:
        build_parser().parse(argv, environ or {})
    assert 2 == caught.value.exit_status
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_defaults() -> None:
    """Without flags the options are those that the documentation names."""
    assert DEFAULTS == parse()


@pytest.mark.parametrize(("flag", "value", "option", "expected"), GOOD)
def test_flag(flag: str, value: str, option: str, expected: object) -> None:
    """Every flag takes its value after a space or a "=", and changes one option."""
    assert DEFAULTS | {option: expected} == parse(flag, value)
    assert DEFAULTS | {option: expected} == parse(f"{flag}={value}")


@pytest.mark.parametrize(("flag", "value", "option", "expected"), GOOD)
def test_variable(flag: str, value: str, option: str, expected: object) -> None:
    """Every flag is a variable as well."""
    assert DEFAULTS | {option: expected} == parse(environ={variable(flag): value})


def test_names_of_variables() -> None:
    """A variable is its flag in capitals, dots and dashes as underscores."""
    assert [
        "FANOTIFY_EXPORTER_WEB_LISTEN_ADDRESS",
        "FANOTIFY_EXPORTER_WEB_TELEMETRY_PATH",
        "FANOTIFY_EXPORTER_WEB_CONFIG_FILE",
        "FANOTIFY_EXPORTER_BPF_HOOK",
        "FANOTIFY_EXPORTER_BPF_MAX_ENTRIES",
    ] == [variable(flag) for flag in FLAGS[:5]]
    assert (
        variable("--collector.mark_calls") == "FANOTIFY_EXPORTER_COLLECTOR_MARK_CALLS"
    )


@pytest.mark.parametrize(
    ("argv", "option", "expected"),
    [
        (["--log.level", "warn"], "log.level", "warn"),
        (["--log.level=warn"], "log.level", "warn"),
        (["--web.listen-address=:1"], "web.listen_address", [":1"]),
        (["--no-collector.mark_calls"], "collector.mark_calls", False),
        (["--collector.mark_calls"], "collector.mark_calls", True),
    ],
)
def test_flag_wins_over_variable(
    argv: list[str], option: str, expected: object
) -> None:
    """What the command line says holds, whatever the environment says."""
    environ = {
        "FANOTIFY_EXPORTER_LOG_LEVEL": "debug",
        "FANOTIFY_EXPORTER_WEB_LISTEN_ADDRESS": ":2,:3",
        "FANOTIFY_EXPORTER_COLLECTOR_MARK_CALLS": str(not expected).lower(),
    }
    assert expected == parse(*argv, environ=environ)[option]


def test_flag_wins_over_a_bad_variable() -> None:
    """A variable that a flag overrules is not even looked at."""
    environ = {"FANOTIFY_EXPORTER_LOG_LEVEL": "loud"}
    assert "warn" == parse("--log.level=warn", environ=environ)["log.level"]


def test_variables_and_flags_together() -> None:
    """A variable holds for each flag that the command line does not give."""
    environ = {"FANOTIFY_EXPORTER_LOG_LEVEL": "debug"}
    options = parse("--log.format=json", environ=environ)
    assert DEFAULTS | {"log.level": "debug", "log.format": "json"} == options


def test_repeatable_flag() -> None:
    """--web.listen-address can be given often, as a variable with commas."""
    several = ["127.0.0.1:1", "[::1]:2", ":3"]
    flags = [f"--web.listen-address={each}" for each in several]
    assert several == parse(*flags)["web.listen_address"]
    environ = {"FANOTIFY_EXPORTER_WEB_LISTEN_ADDRESS": "127.0.0.1:1, [::1]:2,:3"}
    assert several == parse(environ=environ)["web.listen_address"]


@pytest.mark.parametrize(("text", "expected"), [("true", True), ("false", False)])
def test_boolean_variable(text: str, *, expected: bool) -> None:
    """A switch is a variable with the value true or false."""
    environ = {"FANOTIFY_EXPORTER_COLLECTOR_MARK_CALLS": text}
    assert parse(environ=environ)["collector.mark_calls"] is expected


@pytest.mark.parametrize("text", ["", "1", "yes", "True", "FALSE", " true"])
def test_bad_boolean_variable(text: str) -> None:
    """Any other value of a switch is an error that names variable and value."""
    environ = {"FANOTIFY_EXPORTER_COLLECTOR_MARK_CALLS": text}
    said = complaint(environ=environ)
    assert "FANOTIFY_EXPORTER_COLLECTOR_MARK_CALLS" in said
    assert repr(text) in said


@pytest.mark.parametrize(("flag", "value"), BAD)
def test_bad_value(flag: str, value: str) -> None:
    """A value that cannot be used is an error that names flag and value."""
    said = complaint(f"{flag}={value}")
    assert flag in said
    assert repr(value) in said


@pytest.mark.parametrize(("flag", "value"), BAD)
def test_bad_value_of_a_variable(flag: str, value: str) -> None:
    """A bad value is told with the variable that has it, not with a flag unused."""
    said = complaint(environ={variable(flag): value})
    assert variable(flag) in said
    assert repr(value) in said


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (["--no-such-flag"], "--no-such-flag"),
        (["--log.lev", "debug"], "--log.lev"),
        (["--log.level"], "--log.level"),
        (["--collector.mark_calls=false"], "--collector.mark_calls"),
        (["--collector.nothing"], "--collector.nothing"),
        (["surplus"], "surplus"),
        (["-x"], "-x"),
    ],
)
def test_bad_flag(argv: list[str], named: str) -> None:
    """A flag that does not exist, is cut short or lacks its value is named."""
    assert named in complaint(*argv)


def test_complaint_points_to_help() -> None:
    """Who gets a flag wrong is told where the right ones are."""
    assert complaint("--no-such-flag").endswith("see --help")


@pytest.mark.parametrize(
    "name",
    [
        # Kubernetes gives every pod these about a Service named fanotify-exporter.
        "FANOTIFY_EXPORTER_PORT",
        "FANOTIFY_EXPORTER_SERVICE_HOST",
        "FANOTIFY_EXPORTER_PORT_10301_TCP_ADDR",
        "FANOTIFY_EXPORTER_HELP",
        "FANOTIFY_EXPORTER_VERSION",
        "FANOTIFY_EXPORTER_",
        "LOG_LEVEL",
    ],
)
def test_variables_of_others(name: str) -> None:
    """A variable that stands for no flag changes nothing and stops nothing."""
    assert DEFAULTS == parse(environ={name: "tcp://10.0.0.1:10301"})


def run(
    *argv: str, environ: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the program as a user does, with no variables of the exporter but these."""
    others = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("FANOTIFY_EXPORTER_")
    }
    return subprocess.run(
        [sys.executable, "-m", "fanotify_exporter", *argv],
        env=others | (environ or {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
    )


def test_help_lists_every_flag() -> None:
    """--help names each flag, the defaults and the variables, and exits with 0."""
    shown = run("--help")
    assert (0, "") == (shown.returncode, shown.stderr)
    flags = set(re.findall(r"(?<![\w.-])--[a-z][\w.-]*", shown.stdout))
    assert set(FLAGS) == flags
    for text in (":10301", "/metrics", "8192", "FANOTIFY_EXPORTER_WEB_LISTEN_ADDRESS"):
        assert text in shown.stdout


def test_help_shows_no_default_where_there_is_none() -> None:
    """--help has no words of Python's for what a flag is when nobody sets it."""
    shown = run("--help")
    assert [] == re.findall(r"default:\s+(?:None|\(\))", shown.stdout)


def test_version() -> None:
    """--version names the program and its version, and exits with 0."""
    shown = run("--version")
    assert (0, "") == (shown.returncode, shown.stderr)
    assert f"fanotify-exporter {__version__}\n" == shown.stdout


@pytest.mark.parametrize(
    ("argv", "environ", "named"),
    [
        (["--no-such-flag"], {}, "--no-such-flag"),
        (["--bpf.max-entries=none"], {}, "--bpf.max-entries"),
        (["--log.level="], {}, "--log.level"),
        (
            [],
            {"FANOTIFY_EXPORTER_COLLECTOR_MARK_CALLS": "perhaps"},
            "FANOTIFY_EXPORTER_COLLECTOR_MARK_CALLS",
        ),
        ([], {"WATCHDOG_USEC": "soon"}, "WATCHDOG_USEC"),
    ],
)
def test_usage_error(argv: list[str], environ: dict[str, str], named: str) -> None:
    """A bad flag or variable is one line on stderr, exit status 2, and no traceback."""
    refused = run(*argv, environ=environ)
    assert 2 == refused.returncode
    assert "" == refused.stdout
    assert re.fullmatch(r"fanotify-exporter: [^\n]+\n", refused.stderr)
    assert named in refused.stderr


@pytest.mark.parametrize("end", ["\n", "\r", "\x1b[2J", "\x00"])
def test_complaint_is_one_line(end: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What was typed cannot break the line or steer the terminal."""
    assert 2 == main([f"--no-such{end}flag"])
    said = capsys.readouterr().err
    assert said.endswith("\n")
    assert said[:-1].isprintable()


own_root_logger = pytest.mark.usefixtures("root_logger")
# A start that fails leaves listening sockets to the end of the process, which
# elsewhere comes at once and here does not.
leaves_sockets = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)


@own_root_logger
@leaves_sockets
@pytest.mark.parametrize("address", MALFORMED_ADDRESSES)
def test_malformed_address(
    address: str,
    loader_child: Callable[[str], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An address that is none is a usage error that names it."""
    loader_child("echo 'the address was taken for good' >&2; exit 1")
    status = main([f"--web.listen-address={address}"])
    said = capsys.readouterr().err
    assert re.fullmatch(r"fanotify-exporter: [^\n]+\n", said)
    assert repr(address) in said
    assert 2 == status


@own_root_logger
@leaves_sockets
@pytest.mark.parametrize(
    "address", ["a..b:80", f"{'x' * 64}:80", ":" + "9" * 5000, "two\nlines:80", "[:80"]
)
def test_absurd_address(
    address: str,
    loader_child: Callable[[str], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No address makes a traceback or is taken for another, however wrong."""
    loader_child("echo 'the address was taken for good' >&2; exit 1")
    assert main([f"--web.listen-address={address}"]) in (1, 2)
    said = capsys.readouterr().err
    assert re.fullmatch(r"fanotify-exporter: [^\n]+\n", said)
    assert "taken for good" not in said


@own_root_logger
@leaves_sockets
def test_port_taken(capsys: pytest.CaptureFixture[str]) -> None:
    """A port that is taken is one line that names address, reason and way out."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status = main([f"--web.listen-address=127.0.0.1:{port}"])
    assert 1 == status
    assert (
        f"fanotify-exporter: cannot listen on 127.0.0.1:{port}: Address already in "
        "use. Choose another address with --web.listen-address\n"
    ) == capsys.readouterr().err


@own_root_logger
@leaves_sockets
def test_web_configuration_that_is_wrong(
    tmp_path: Path,
    loader_child: Callable[[str], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is told in one line with the place, before anything is loaded."""
    loader_child("echo 'the file was taken for good' >&2; exit 1")
    file = tmp_path / "web.yml"
    file.write_text("basic_auth_users:\n  alice: secret\n")
    status = main(["--web.listen-address=127.0.0.1:0", f"--web.config.file={file}"])
    assert 1 == status
    assert (
        f"fanotify-exporter: {file}: line 2: basic_auth_users.alice is not a bcrypt "
        "hash: make one with htpasswd -nBC 10 ''\n"
    ) == capsys.readouterr().err


@own_root_logger
@leaves_sockets
@pytest.mark.parametrize("path", ["", "none.yml", "two\nlines.yml", "/dev/null"])
def test_web_configuration_that_is_not_there(
    path: str, loader_child: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is none, be it for an empty variable, never means no guard."""
    loader_child("echo 'the file was taken for good' >&2; exit 1")
    status = main(["--web.listen-address=127.0.0.1:0", f"--web.config.file={path}"])
    said = capsys.readouterr().err
    assert 1 == status
    assert re.fullmatch(r"fanotify-exporter: [^\n]+: cannot read [^\n]+\n", said)


def test_without_a_web_configuration_nothing_of_it_is_loaded() -> None:
    """YAML and bcrypt take megabytes, so they are for those who use them."""
    program = "import sys, fanotify_exporter.cli; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "fanotify_exporter.web.handlers" in loaded
    assert not {"yaml", "bcrypt", "fanotify_exporter.web.access"} & set(loaded)


@own_root_logger
@leaves_sockets
def test_loader_that_fails(
    loader_child: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Probes that cannot be loaded are one line on stderr and exit status 1."""
    loader_child("echo 'no kernel for you' >&2; exit 5")
    status = main(["--web.listen-address=127.0.0.1:0"])
    said = capsys.readouterr()
    assert 1 == status
    assert "" == said.out
    assert re.fullmatch(r"fanotify-exporter: [^\n]+no kernel for you[^\n]+\n", said.err)


@pytest.fixture(autouse=True)
def _own_privileges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the whole program, which runs in this process, take nothing from it."""
    monkeypatch.setattr(app, "drop", lambda wanted, _: frozenset(wanted))


class Served:
    """One run of the whole program, scraped once and then told to stop."""

    def __init__(self, folder: Path, *paths: str) -> None:
        self.answers: dict[str, tuple[int, str]] = {}
        self._ended = threading.Event()
        self._log = folder / "stderr"
        self._paths = paths

    def run(self, *argv: str) -> int:
        client = threading.Thread(target=self._scrape_and_stop)
        with self._log.open("w", buffering=1) as log, redirect_stderr(log):
            client.start()
            status = main(["--web.listen-address=127.0.0.1:0", *argv])
            self._ended.set()
        client.join()
        gc.unfreeze()
        return status

    def _scrape_and_stop(self) -> None:
        deadline = time.monotonic() + 5
        while not (found := re.search(r"address=127\.0\.0\.1:(\d+)", self.log)):
            if self._ended.wait(0.01):
                return
            if time.monotonic() > deadline:
                os.kill(os.getpid(), signal.SIGINT)
                return
        connection = HTTPConnection("127.0.0.1", int(found[1]), timeout=5)
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
def test_whole_program(tmp_path: Path) -> None:
    """The program loads, says where it listens, counts, and stops with status 0."""
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
    assert 'fanotify_exporter_map_entries{map="calls_root"} 1.0\n' in text
    assert 'fanotify_exporter_collector_success{collector="mark_calls"} 1.0\n' in text
    assert (200, "Ready.\n") == served.answers["/-/ready"]
    assert 200 == served.answers["/"][0]

    gave_up, not_used, *warnings, listening = served.log.splitlines()
    assert 'msg="gave up privileges" capabilities=CAP_DAC_READ_SEARCH' in gave_up
    assert 'hook=fentry reason="not in this kernel"' in not_used
    assert "msg=listening" in listening
    for key in ("version", "address", "hook", "kernel", "bcc"):
        assert f" {key}=" in listening
    compat, slows_all_syscalls = warnings
    assert "level=warn" in compat
    assert "32-bit compat calls are not seen" in compat
    assert "level=warn" in slows_all_syscalls
    assert "slows every system call" in slows_all_syscalls


@own_root_logger
@pytest.mark.usefixtures("handing_over_child")
def test_collector_switched_off(tmp_path: Path) -> None:
    """A collector that is switched off exports nothing; the exporter's own stay."""
    served = Served(tmp_path, "/else")
    status = served.run("--web.telemetry-path=/else", "--no-collector.mark_calls")
    assert 0 == status
    status, text = served.answers["/else"]
    assert 200 == status
    assert "fanotify_mark_" not in text
    assert (
        'fanotify_exporter_collector_success{collector="exporter_health"} 1.0' in text
    )


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_each_scrape_reads_the_maps_anew(
    memory: Callable[[bytes], int], stack: ExitStack
) -> None:
    """Calls between two scrapes are in the second, in what all collectors say."""
    loaded = make_loaded([UNUSED, UNUSED], max_entries=1, share=memory)
    registry = build_collectors(loaded, DEFAULTS, stack)
    list(registry.collect())
    os.pwrite(loaded.fds["slots"], pack_slot(b"late", 1, created_ns=5), 0)
    text = encode_text(registry.collect()).decode()
    assert 'comm="late"' in text
    assert 'fanotify_exporter_map_entries{map="calls_root"} 1.0' in text
