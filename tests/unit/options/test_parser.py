"""The argument parser: flags, the variables that stand for them, and its errors."""

from __future__ import annotations

from argparse import BooleanOptionalAction
from collections.abc import Mapping

import pytest

from fanotify_exporter.errors import UsageError
from fanotify_exporter.options.flags import log_flags, web_flags
from fanotify_exporter.options.parser import SERVE, Parser, variable


SWITCH = "FANOTIFY_EXPORTER_COLLECTOR_X"
LEVEL = "FANOTIFY_EXPORTER_LOG_LEVEL"


def parse(
    *argv: str, environ: Mapping[str, str] | None = None, command: str = SERVE
) -> dict[str, object]:
    """Return the values of a few flags of each kind."""
    parser = Parser(command)
    web_flags(parser)
    log_flags(parser)
    parser.add_argument("--collector.x", action=BooleanOptionalAction)
    parser.add_argument("--json", action="store_true")
    return vars(parser.parse(argv, environ or {}))


def complaint(
    *argv: str, environ: Mapping[str, str] | None = None, command: str = SERVE
) -> str:
    """Return the one line that a bad command line causes."""
    with pytest.raises(UsageError) as caught:
        parse(*argv, environ=environ, command=command)
    text = str(caught.value)
    assert "\n" not in text
    return text


DEFAULTS = parse()


@pytest.mark.parametrize(
    ("flag", "name"),
    [
        ("--web.listen-address", "FANOTIFY_EXPORTER_WEB_LISTEN_ADDRESS"),
        ("--web.config.file", "FANOTIFY_EXPORTER_WEB_CONFIG_FILE"),
        ("--collector.mark_calls", "FANOTIFY_EXPORTER_COLLECTOR_MARK_CALLS"),
    ],
)
def test_names_of_variables(flag: str, name: str) -> None:
    """A variable is its flag in capitals, with dots and dashes as underscores."""
    assert name == variable(flag)


@pytest.mark.parametrize(
    ("flag", "value", "option", "expected"),
    [
        ("--web.telemetry-path", "/x", "telemetry_path", "/x"),
        ("--log.level", "debug", "level", "debug"),
        ("--web.listen-address", ":1", "listen_addresses", [":1"]),
    ],
)
def test_flag_and_variable(
    flag: str, value: str, option: str, expected: object
) -> None:
    """A flag takes its value after a space or a "=", or from its variable."""
    wanted = DEFAULTS | {option: expected}
    assert wanted == parse(flag, value)
    assert wanted == parse(f"{flag}={value}")
    assert wanted == parse(environ={variable(flag): value})


def test_repeatable_flag() -> None:
    """A repeated flag is a variable with commas."""
    several = ["127.0.0.1:1", "[::1]:2", ":3"]
    flags = [f"--web.listen-address={each}" for each in several]
    assert several == parse(*flags)["listen_addresses"]
    environ = {"FANOTIFY_EXPORTER_WEB_LISTEN_ADDRESS": "127.0.0.1:1, [::1]:2,:3"}
    assert several == parse(environ=environ)["listen_addresses"]


@pytest.mark.parametrize(
    ("argv", "option", "expected"),
    [
        (["--log.level", "warn"], "level", "warn"),
        (["--log.level=warn"], "level", "warn"),
        (["--web.listen-address=:1"], "listen_addresses", [":1"]),
        (["--no-collector.x"], "collector.x", False),
        (["--collector.x"], "collector.x", True),
    ],
)
def test_flag_wins_over_variable(
    argv: list[str], option: str, expected: object
) -> None:
    """A variable has no effect if the command line has its flag."""
    environ = {
        LEVEL: "debug",
        "FANOTIFY_EXPORTER_WEB_LISTEN_ADDRESS": ":2,:3",
        SWITCH: str(not expected).lower(),
    }
    assert expected == parse(*argv, environ=environ)[option]


def test_flag_wins_over_a_bad_variable() -> None:
    """The value of a variable is not checked if the command line has its flag."""
    assert "warn" == parse("--log.level=warn", environ={LEVEL: "loud"})["level"]


@pytest.mark.parametrize(
    ("name", "option"), [(SWITCH, "collector.x"), ("FANOTIFY_EXPORTER_JSON", "json")]
)
def test_boolean_variable(name: str, option: str) -> None:
    """The variable of a switch is true or false."""
    assert parse(environ={name: "true"})[option] is True
    assert parse(environ={name: "false"})[option] is False


@pytest.mark.parametrize("text", ["1", "yes", "True", "FALSE", " true"])
def test_bad_boolean_variable(text: str) -> None:
    """Any other value of a switch is an error that names variable and value."""
    assert f"{SWITCH} is {text!r}: use true or false" == complaint(
        environ={SWITCH: text}
    )


def test_bad_variable() -> None:
    """An error in a variable's value names the variable before the flag."""
    said = complaint(environ={LEVEL: "loud"})
    assert said.startswith(f"{LEVEL}: ")
    assert "'loud'" in said


@pytest.mark.parametrize(
    "name",
    [
        # Kubernetes sets these in every pod beside a Service named fanotify-exporter.
        "FANOTIFY_EXPORTER_PORT",
        "FANOTIFY_EXPORTER_SERVICE_HOST",
        "FANOTIFY_EXPORTER_SERVICE_PORT",
        "FANOTIFY_EXPORTER_SERVICE_PORT_METRICS",
        "FANOTIFY_EXPORTER_PORT_10301_TCP",
        "FANOTIFY_EXPORTER_PORT_10301_TCP_ADDR",
        "FANOTIFY_EXPORTER_TWO_SERVICE_HOST",
        "LOG_LEVEL",
    ],
)
def test_variables_of_others(name: str) -> None:
    """Variables of Kubernetes or of other programs have no effect."""
    assert DEFAULTS == parse(environ={name: "tcp://10.0.0.1:10301"})


@pytest.mark.parametrize(
    ("name", "similar"),
    [
        ("FANOTIFY_EXPORTER_LOGLEVEL", "FANOTIFY_EXPORTER_LOG_LEVEL"),
        ("FANOTIFY_EXPORTER_NO_COLLECTOR_X", f"{SWITCH}=false"),
        ("FANOTIFY_EXPORTER_HELP", ""),
        ("FANOTIFY_EXPORTER_", ""),
        ("FANOTIFY_EXPORTER_SERVICE", ""),
        ("FANOTIFY_EXPORTER_EXPORT", ""),
    ],
)
def test_unknown_variables(name: str, similar: str) -> None:
    """A variable that stands for no flag is reported, unless the variable is empty."""
    found = {name: similar}
    assert DEFAULTS | {"unknown_variables": found} == parse(environ={name: "1"})
    assert DEFAULTS == parse(environ={name: ""})


@pytest.mark.parametrize("name", [SWITCH, LEVEL, "FANOTIFY_EXPORTER_JSON"])
def test_empty_variable(name: str) -> None:
    """An empty variable counts as unset, as in Prometheus' own exporters."""
    assert DEFAULTS == parse(environ={name: ""})


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (["--no-such-flag"], "--no-such-flag"),
        (
            ["--no-such-flag", "check"],
            "unknown flag --no-such-flag; put the command first: fanotify-exporter che",
        ),
        (["--json", "check"], "put the command first: fanotify-exporter check"),
        (["--log.lev", "debug"], "--log.lev (did you mean --log.level?);"),
        (
            ["--web.listn-address=:1"],
            "listn-address (did you mean --web.listen-address?);",
        ),
        (["--no-colector.x"], "--no-colector.x (did you mean --no-collector.x?);"),
        (["--typo", ":1", "--typo2"], "unknown flag --typo; unknown flag --typo2;"),
        (["--log.level"], "--log.level"),
        (["--log.level=loud"], "'loud'"),
        (
            ["--collector.x=false"],
            "--collector.x takes no value: use --collector.x or --no-collector.x;",
        ),
        (["--json=true"], "--json takes no value: use --json;"),
        (["--log.level=warn", "surplus"], "surplus"),
        (["-x"], "-x"),
    ],
)
def test_bad_flag(argv: list[str], named: str) -> None:
    """The error names the flag or word that cannot be used, and points to --help."""
    said = complaint(*argv)
    assert named in said
    assert said.endswith("; see fanotify-exporter --help")


def test_error_of_a_command_points_to_its_help() -> None:
    """The flags of a command are listed by the --help of that command."""
    said = complaint("--no-such-flag", "unpin", command="check")
    assert said.endswith("; see fanotify-exporter check --help")
    assert said.startswith("unknown flag --no-such-flag;")
