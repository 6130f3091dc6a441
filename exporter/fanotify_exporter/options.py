"""
The flags: argv and the environment in, options out.

Each flag is also an environment variable: ``--web.listen-address`` is
FANOTIFY_EXPORTER_WEB_LISTEN_ADDRESS (a repeatable flag takes commas); the flag wins.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from fanotify_exporter import __version__, logs
from fanotify_exporter.collectors.labels import DROPPABLE
from fanotify_exporter.errors import UsageError
from fanotify_exporter.procfs import PROC


HOOKS = ("auto", "fentry", "kprobe", "tracepoint", "raw_tracepoint")
COLLECTORS = {
    "mark_calls": "fanotify_mark(2) calls",
    "init_calls": "fanotify_init(2) and inotify_init(2) calls",
    "groups": "fanotify groups and marks that exist",
    "limits": "fanotify's limits",
}
CHECK_FLAGS = ("--json",)
REPEATABLE = ("--web.listen-address",)
MAX_MAX_ENTRIES = 262_144
UNIT_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}
MAX_INTERVAL_SECONDS = 86_400
DEFAULT_ADDRESS = ":10301"
ENVIRONMENT_PREFIX = "FANOTIFY_EXPORTER_"


class Formatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows the default of each flag that has one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, ()):
            return action.help
        return super()._get_help_string(action)


class Parser(argparse.ArgumentParser):
    """A parser that reports in one line, and reads flags from the environment."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError instead of printing usage and exiting."""
        raise UsageError(f"{message}; see --help")

    def parse(
        self, argv: Sequence[str], environ: Mapping[str, str]
    ) -> argparse.Namespace:
        """
        Parse *argv*, with flags that it lacks taken from *environ*.

        Raises:
            UsageError: a flag is unknown, or a flag or variable has a bad value.
                Unknown variables are not ours: Kubernetes sets some of our prefix.
        """
        given = {word.partition("=")[0] for word in argv}
        known = {*self._option_string_actions, *CHECK_FLAGS}
        for word in given - known:
            # Else argparse takes an unknown flag's value for a command.
            if word.startswith("-"):
                self.error(f"unrecognized arguments: {word}")
        words = []
        for action in self._actions:
            if action.option_strings and given.isdisjoint(action.option_strings):
                words += self._from_environment(action, environ)
        return self.parse_args([*words, *argv])

    def _from_environment(
        self, action: argparse.Action, environ: Mapping[str, str]
    ) -> list[str]:
        name = variable(action.option_strings[0])
        if name not in environ or action.dest in ("help", "version"):
            return []
        words = _words(action, environ[name])
        try:
            self.parse_args(words)
        except UsageError as error:
            raise UsageError(f"{name}: {error}") from None
        return words


def _words(action: argparse.Action, value: str) -> list[str]:
    """Return what the command line would say for a variable's *value*."""
    flag = action.option_strings[0]
    if isinstance(action, argparse.BooleanOptionalAction):
        if value not in ("true", "false"):
            raise UsageError(f"{variable(flag)} is {value!r}: say true or false")
        return [action.option_strings[value == "false"]]
    if flag in REPEATABLE:
        return [f"{flag}={part.strip()}" for part in value.split(",")]
    return [f"{flag}={value}"]


def variable(flag: str) -> str:
    """Return the environment variable that stands for *flag*."""
    name = flag.lstrip("-").upper().replace(".", "_").replace("-", "_")
    return ENVIRONMENT_PREFIX + name


def build_parser() -> Parser:
    """Return the parser of every flag, with its default."""
    parser = Parser(
        prog="fanotify-exporter",
        description="Prometheus exporter that counts every fanotify_mark(2) call.",
        epilog="Each flag is also an environment variable, for example "
        f"{variable('--web.listen-address')}.",
        allow_abbrev=False,
        formatter_class=Formatter,
    )
    addresses = parser.add_mutually_exclusive_group()
    addresses.add_argument(
        "--web.listen-address",
        action="append",
        metavar="[HOST]:PORT",
        help=f"address to listen on; repeatable (default: {DEFAULT_ADDRESS})",
        default=argparse.SUPPRESS,
    )
    addresses.add_argument(
        "--web.systemd-socket",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="serve on the sockets that systemd passes, not on addresses",
    )
    parser.add_argument(
        "--web.telemetry-path",
        default="/metrics",
        type=_telemetry_path,
        metavar="PATH",
        help="path of the metrics",
    )
    parser.add_argument(
        "--web.config.file",
        type=Path,
        metavar="FILE",
        help="TLS, users and headers, in exporter-toolkit's format",
        default=argparse.SUPPRESS,
    )
    parser.add_argument(
        "--bpf.hook", choices=HOOKS, default="auto", help="where to count calls"
    )
    parser.add_argument(
        "--bpf.max-entries",
        type=_max_entries,
        default=8192,
        metavar="N",
        help="distinct keys counted for root, and again for all other users",
    )
    parser.add_argument(
        "--bpf.pin",
        type=Path,
        metavar="DIR",
        help="folder in a bpffs that keeps the programs counting across restarts",
    )
    for name, what in COLLECTORS.items():
        parser.add_argument(
            f"--collector.{name}",
            action=argparse.BooleanOptionalAction,
            default=True,
            help=what,
        )
    parser.add_argument(
        "--collector.groups.interval",
        type=_interval,
        default="30s",
        metavar="TIME",
        help="how often to look at every process for groups, for example 90s or 5m; "
        "those found are looked at each second",
    )
    parser.add_argument(
        "--label.container",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="count by cgroup too, with its path and container id as labels",
    )
    parser.add_argument(
        "--label.drop",
        type=_labels,
        default=(),
        metavar="NAME,...",
        help=f"labels to sum the call families over: {', '.join(DROPPABLE)}",
    )
    parser.add_argument(
        "--log.level", choices=logs.LEVELS, default="info", help="least level logged"
    )
    parser.add_argument(
        "--log.format", choices=logs.FORMATS, default="logfmt", help="format of logs"
    )
    parser.add_argument(
        "--path.sysfs",
        type=Path,
        default=Path("/sys"),
        metavar="DIR",
        help="where sysfs is mounted; used by check",
    )
    parser.add_argument(
        "--path.procfs",
        type=Path,
        default=PROC,
        metavar="DIR",
        help="where the host's procfs is mounted; used by groups and limits",
    )
    parser.add_argument(
        "--run.user",
        metavar="NAME",
        help="user to serve as, once the programs are attached",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    preflight = commands.add_parser(
        "check",
        help="try every hook and say what the exporter would do here",
        allow_abbrev=False,
    )
    commands.add_parser(
        "unpin",
        help="remove the programs that --bpf.pin left in the kernel",
        allow_abbrev=False,
    )
    commands.add_parser(
        "healthcheck",
        help="ask the exporter that listens on the first address if it is healthy",
        allow_abbrev=False,
    )
    preflight.add_argument("--json", action="store_true", help="for a program to read")
    parser.add_argument(
        "--version", action="version", version=f"fanotify-exporter {__version__}"
    )
    return parser


def _telemetry_path(text: str) -> str:
    if not re.fullmatch(r"(/[\w.~-]+)+", text, re.ASCII) or text.startswith("/-/"):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a path of its own: say for example /metrics"
        )
    return text


def _labels(text: str) -> tuple[str, ...]:
    names = tuple(filter(None, text.split(",")))
    for name in names:
        if name not in DROPPABLE:
            raise argparse.ArgumentTypeError(
                f"{name!r} is not one of {', '.join(DROPPABLE)}"
            )
    return names


def _max_entries(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if not 1 <= number <= MAX_MAX_ENTRIES:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number from 1 to {MAX_MAX_ENTRIES}"
        )
    return number


def _interval(text: str) -> int:
    found = re.fullmatch(r"(\d{1,5})([smh]?)", text, re.ASCII)
    seconds = int(found[1]) * UNIT_SECONDS[found[2]] if found else 0
    if not 1 <= seconds <= MAX_INTERVAL_SECONDS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time from 1s to 24h: say for example 30s"
        )
    return seconds
