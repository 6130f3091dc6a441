"""The command line: which command runs, its exit status, and errors in one line."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from functools import partial

import pytest

from fanotify_exporter import __version__, cli
from fanotify_exporter.cli import main, parse
from fanotify_exporter.collectors.catalog import CATALOG
from fanotify_exporter.commands import check, serve
from fanotify_exporter.errors import LoadError, UsageError
from fanotify_exporter.options.model import CheckOptions, ServeOptions
from fanotify_exporter.options.parser import COMMANDS


FLAGS = {
    "": {
        *("--web.listen-address", "--web.telemetry-path", "--web.config.file"),
        *("--web.systemd-socket", "--no-web.systemd-socket"),
        *("--web.created-samples", "--no-web.created-samples"),
        *("--bpf.hook", "--bpf.max-entries", "--bpf.max-user-entries"),
        *("--bpf.pin", "--run.user"),
        *(f"--collector.{each.name}" for each in CATALOG),
        *(f"--no-collector.{each.name}" for each in CATALOG),
        *("--collector.disable-defaults", "--no-collector.disable-defaults"),
        "--collector.groups.interval",
        *("--label.container", "--no-label.container", "--label.drop"),
        *("--path.procfs", "--path.sysfs", "--log.level", "--log.format"),
        *("--help", "--version"),
    },
    "check": {"--bpf.hook", "--path.sysfs", "--json", "--help"},
    "trace": {
        *("--json", "--syscall", "--comm", "--uid", "--failed", "--errno"),
        *("--count", "--duration", "--container", "--resolve"),
        *("--bpf.hook", "--help"),
    },
    "unpin": {"--bpf.pin", "--help"},
    "healthcheck": {"--web.listen-address", "--help"},
}


# What "[no-]" in --help stands for.
NO = ("", "no-")


def shown(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """Return what the program prints before it exits with status 0."""
    with pytest.raises(SystemExit) as ended:
        main(argv)
    said = capsys.readouterr()
    assert (0, "") == (ended.value.code, said.err)
    return said.out


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_lists_the_flags_of_the_command(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """--help names each flag of the command, and shows no default of None."""
    text = shown(capsys, *filter(None, [command]), "--help")
    listed = re.findall(r"(?m)^  (?:-h, )?(--[^ \n]+)", text)
    flags = [
        name for each in listed for name in {each.replace("[no-]", no) for no in NO}
    ]
    assert FLAGS[command] == set(flags)
    assert len(listed) == len(set(listed))
    assert [] == re.findall(r"default:\s+(?:None|\(\)|False)", text)


def test_help_lists_commands_defaults_and_a_variable(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """--help without a command names the commands and a variable."""
    text = shown(capsys, "--help")
    commands = text.partition("\ncommands")[2]
    assert [*COMMANDS] == re.findall(r"(?m)^  (\w+)  ", commands)
    for each in (":10301", "/metrics", "8192", "FANOTIFY_EXPORTER_WEB_LISTEN_ADDRESS"):
        assert each in text


@pytest.mark.parametrize(
    ("command", "groups"),
    [
        ("", ["options", "web", "bpf", "collectors", "paths", "labels", "log", "run"]),
        ("check", ["options", "bpf", "paths"]),
        ("healthcheck", ["options", "web"]),
    ],
)
def test_help_has_groups_of_flags(
    command: str, groups: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """--help lists flags under the subject that their first word names."""
    text = shown(capsys, *filter(None, [command]), "--help")
    assert groups == re.findall(r"(?m)^(\w+):$", text)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """--version has the form of Prometheus' own exporters."""
    first, *facts = shown(capsys, "--version").splitlines()
    assert f"fanotify_exporter, version {__version__} (revision: unknown)" == first
    named = dict(
        re.split(":  +", fact.removeprefix("  "), maxsplit=1) for fact in facts
    )
    assert ["python version", "bcc version", "platform"] == [*named]
    assert platform.python_version() == named["python version"]
    assert re.fullmatch(r"linux/(amd64|arm64)", named["platform"])


def test_command_gets_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first word chooses the command; without a word the exporter serves."""
    ran: list[object] = []

    def run(status: int, options: object) -> int:
        ran.append(options)
        return status

    monkeypatch.setattr(check, "run", partial(run, 3))
    monkeypatch.setattr(serve, "run", partial(run, 4))
    assert 3 == main(["check", "--bpf.hook=kprobe"])
    assert 4 == main(["--bpf.hook=kprobe"])
    assert 4 == main([])
    checked, served, _ = ran
    assert isinstance(checked, CheckOptions)
    assert "kprobe" == checked.hook
    assert isinstance(served, ServeOptions)
    assert "kprobe" == served.bpf.hook


def test_command_reads_the_variables_of_its_flags() -> None:
    """A bad variable matters only to the commands that have its flag."""
    environ = {"FANOTIFY_EXPORTER_BPF_MAX_ENTRIES": "many"}
    parse(["check"], environ)
    with pytest.raises(UsageError, match="FANOTIFY_EXPORTER_BPF_MAX_ENTRIES"):
        parse([], environ)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (
            ["surplus"],
            "'surplus' is not a command: use check, trace, unpin, healthcheck",
        ),
        ([""], "'' is not a command"),
        (["--bpf.pin=/x", "unpin"], "put the command first: fanotify-exporter unpin"),
        (["chheck"], "'chheck' is not a command (did you mean check?): use check,"),
        (["check", "--bpf.pin=/x"], "unknown flag --bpf.pin; see"),
        (["unpin"], "unpin needs --bpf.pin=DIR"),
        (["--log.level="], "--log.level"),
    ],
)
def test_usage_error(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bad command line is one line on stderr and exit status 2."""
    assert 2 == main(argv)
    printed = capsys.readouterr()
    assert "" == printed.out
    assert re.fullmatch(r"fanotify-exporter: [^\n]+\n", printed.err)
    assert said in printed.err


@pytest.mark.parametrize("end", ["\n", "\r", "\x1b[2J", "\x00"])
def test_complaint_is_one_line(end: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters in an argument cannot break the line or steer a terminal."""
    assert 2 == main([f"--no-such{end}flag"])
    said = capsys.readouterr().err
    assert said.endswith("\n")
    assert said[:-1].isprintable()


def test_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A failure is one line that ends with the advice, and exit status 1."""

    def fail(_: object) -> int:
        raise LoadError("no kernel for you", "Get one.")

    monkeypatch.setattr(check, "run", fail)
    assert 1 == main(["check"])
    assert "fanotify-exporter: no kernel for you. Get one.\n" == capsys.readouterr().err


def test_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends a command without a traceback, with the status that shells use."""

    def interrupt(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(check, "run", interrupt)
    assert 130 == main(["check"])


def loaded_by(command: str) -> set[str]:
    """Return the modules that are loaded after *command* parsed its flags."""
    program = f"import sys; from {cli.__name__} import parse; parse({command}, {{}})"
    return set(
        subprocess.run(
            [sys.executable, "-c", f"{program}; print(*sys.modules)"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
    )


def test_healthcheck_imports_little() -> None:
    """Container engines run healthcheck once a minute: each import costs CPU time."""
    loaded = loaded_by("['healthcheck']")
    assert "fanotify_exporter.commands.healthcheck" in loaded
    heavy = {"prometheus_client", "tornado", "http.client", "ssl", "logging", "asyncio"}
    assert set() == heavy & loaded


def test_serving_without_access_control_imports_none_of_it() -> None:
    """YAML and bcrypt take megabytes that only users of --web.config.file pay for."""
    loaded = loaded_by("[]")
    assert "fanotify_exporter.web.handlers" in loaded
    assert set() == {"yaml", "bcrypt", "fanotify_exporter.web.access"} & loaded
