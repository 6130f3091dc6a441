"""
The command line: the only reader of argv, and the only place that knows all parts.

Each flag is also an environment variable: ``--web.listen-address`` is
FANOTIFY_EXPORTER_WEB_LISTEN_ADDRESS (a repeatable flag takes commas); the flag wins.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from exporter import __version__, loader, logs, pins, web
from exporter.check import as_json, as_text, check
from exporter.containers import Cgroups
from exporter.errors import ExporterError, UsageError
from exporter.exporter_health import ExporterHealthCollector
from exporter.handover import Loaded
from exporter.init_calls import InitCallsCollector
from exporter.maps import Maps, shared
from exporter.mark_calls import MarkCallsCollector
from exporter.procfs import read_mounted
from exporter.registry import Collector, build_registry
from exporter.series import DROPPABLE, Labelling
from exporter.sources import identity


HOOKS = ("auto", "fentry", "kprobe", "tracepoint", "raw_tracepoint")
COLLECTORS = {
    "mark_calls": "fanotify_mark(2) calls",
    "init_calls": "fanotify_init(2) and inotify_init(2) calls",
}
CHECK_FLAGS = ("--json",)
REPEATABLE = ("--web.listen-address",)
MAX_MAX_ENTRIES = 262_144
ENVIRONMENT_PREFIX = "FANOTIFY_EXPORTER_"

log = logging.getLogger(__name__)


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
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--web.listen-address",
        action="append",
        metavar="[HOST]:PORT",
        help="address to listen on; repeatable (default: :10301)",
        default=argparse.SUPPRESS,
    )
    parser.add_argument(
        "--web.telemetry-path",
        default="/metrics",
        type=_telemetry_path,
        metavar="PATH",
        help="path of the metrics",
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
        "--log.format", choices=logs.FORMATS, default="logfmt", help="of log lines"
    )
    parser.add_argument(
        "--path.sysfs",
        type=Path,
        default=Path("/sys"),
        metavar="DIR",
        help="where sysfs is mounted; used by check",
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


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    try:
        arguments = build_parser().parse(
            sys.argv[1:] if argv is None else argv, os.environ
        )
        if arguments.command == "check":
            return preflight(arguments)
        if arguments.command == "unpin":
            return unpin(arguments)
        serve(arguments)
    except ExporterError as error:
        print(f"fanotify-exporter: {one_line(str(error))}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        return 130
    return 0


def preflight(arguments: argparse.Namespace) -> int:
    """Print what this machine offers; return 0 if the exporter would run, else 1."""
    options = vars(arguments)
    report = check(options["bpf.hook"], options["path.sysfs"])
    print(as_json(report) if arguments.json else as_text(report))
    return 0 if report.chosen else 1


def unpin(arguments: argparse.Namespace) -> int:
    """Remove what --bpf.pin left in the kernel."""
    directory = vars(arguments)["bpf.pin"]
    if not directory:
        raise UsageError("unpin needs --bpf.pin=DIR, as the exporter was started with")
    with pins.locked(directory):
        removed = pins.unpin(directory)
    print(f"removed {removed} set(s) of pinned programs from {directory}")
    return 0


def one_line(text: str) -> str:
    r"""Escape control characters, so that *text* stays one line: a\nb."""
    return re.sub(r"[\x00-\x1f\x7f]", lambda found: repr(found[0])[1:-1], text)


def serve(arguments: argparse.Namespace) -> None:
    """Attach, then answer scrapes until a signal says stop."""
    options = vars(arguments)
    logs.setup(options["log.level"], options["log.format"])
    with ExitStack() as stack:
        sockets = web.listen(options.get("web.listen_address", [":10301"]))
        for each in sockets:
            stack.enter_context(each)
        cgroups = start_cgroups() if options["label.container"] else None
        loaded = load(options, stack)
        site = web.Site(
            registry=build_registry(build_collectors(loaded, options, cgroups)),
            telemetry_path=options["web.telemetry_path"],
            ready=lambda: all(probe.attached for probe in loaded.probes),
        )
        # What exists now stays: no later garbage collection need look at it.
        gc.freeze()
        log_limits(loaded)
        asyncio.run(web.serve(site, sockets, partial(log_start, loaded)))


def load(options: Mapping[str, Any], stack: ExitStack) -> Loaded:
    """Attach, or take over what an earlier exporter pinned and this one would load."""
    settings = (
        options["bpf.hook"],
        options["bpf.max_entries"],
        options["label.container"],
    )
    hook, max_entries, container = settings
    attach = partial(loader.load, hook, max_entries, container=container)
    directory = options["bpf.pin"]
    if not directory:
        return attach()
    stack.enter_context(pins.locked(directory))
    return pins.adopt_or_load(directory, identity(*settings), attach)


def start_cgroups() -> Cgroups:
    """Keep the names of cgroups, if this host has those that the kernel counts by."""
    roots = read_mounted("cgroup2")
    if not roots:
        log.warning(
            "no cgroup v2 hierarchy is mounted: the labels cgroup and container_id "
            "stay empty"
        )
    cgroups = Cgroups(Path(roots[0]) if roots else None)
    cgroups.start()
    return cgroups


def log_limits(loaded: Loaded) -> None:
    """Log why no better hook runs, and what the one that does misses and costs."""
    for rung, reason in loaded.reasons.items():
        log.info("hook not used", extra={"hook": rung, "reason": reason})
    hook = {"hook": loaded.hook}
    if not loaded.compat:
        log.warning("32-bit compat calls are not seen", extra=hook)
    if loaded.taxes:
        log.warning("this hook slows every system call of the host", extra=hook)


def log_start(loaded: Loaded, addresses: Sequence[str]) -> None:
    """Log that scrapes are answered, where, and by what."""
    log.info(
        "listening",
        extra={
            "version": __version__,
            "address": ",".join(addresses),
            "hook": ",".join(probe.hook for probe in loaded.probes),
            "kernel": os.uname().release,
            "bcc": loaded.bcc,
        },
    )


def build_collectors(
    loaded: Loaded, options: Mapping[str, Any], cgroups: Cgroups | None = None
) -> dict[str, Collector]:
    """Return the collectors that are switched on, reading one shared snapshot."""
    read = shared(Maps(loaded).read)
    labelling = Labelling(frozenset(options["label.drop"]), cgroups)
    collectors: dict[str, Collector] = {
        "mark_calls": MarkCallsCollector(read, labelling),
        "init_calls": InitCallsCollector(read, labelling),
    }
    enabled = {
        name: collector
        for name, collector in collectors.items()
        if options[f"collector.{name}"]
    }
    return enabled | {"exporter_health": ExporterHealthCollector(loaded, read)}
