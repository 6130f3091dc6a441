"""
The flags, in groups that several commands share, and the options built from them.

Each function named ``*_flags`` or ``*_flag`` adds flags to a parser. It returns the
function that builds the options from the parsed values.
"""

from __future__ import annotations

from argparse import BooleanOptionalAction, Namespace
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from fanotify_exporter.options import values
from fanotify_exporter.options.model import (
    BpfOptions,
    CollectorOptions,
    LabelOptions,
    LogOptions,
    WebOptions,
)
from fanotify_exporter.options.parser import Parser
from fanotify_exporter.procfs import PROC


T = TypeVar("T")
Build = Callable[[Namespace], T]

HOOKS = ("auto", "fentry", "kprobe", "tracepoint", "raw_tracepoint")
LOG_LEVELS = ("debug", "info", "warn", "error")
LOG_FORMATS = ("logfmt", "json")
DEFAULT_ADDRESS = ":10301"

# Defaults of --bpf.max-user-entries: any local user can take all of these slots. With
# --label.container the cgroup is a part of the key, so a host has more keys.
MAX_USER_ENTRIES = 1024
MAX_USER_ENTRIES_BY_CGROUP = 4096


class Switchable(Protocol):
    """A collector that a flag enables."""

    @property
    def name(self) -> str:
        """The collector's name, as in --collector.NAME."""

    @property
    def help(self) -> str:
        """Return what the collector exports, for --help."""

    @property
    def on_by_default(self) -> bool:
        """Return whether the collector runs without a flag."""


def web_flags(parser: Parser) -> Build[WebOptions]:
    """Add the --web flags."""
    listen_addresses = listen_address_flag(parser)
    parser.add_argument(
        "--web.systemd-socket",
        action=BooleanOptionalAction,
        dest="systemd_socket",
        help="serve on the sockets that systemd passes instead of the listen addresses",
    )
    parser.add_argument(
        "--web.telemetry-path",
        type=values.telemetry_path,
        default="/metrics",
        dest="telemetry_path",
        metavar="PATH",
        help="path of the metrics",
    )
    parser.add_argument(
        "--web.config.file",
        type=Path,
        dest="config_file",
        metavar="FILE",
        help="file with TLS settings, users and headers, as in exporter-toolkit",
    )
    parser.add_argument(
        "--web.created-samples",
        action=BooleanOptionalAction,
        dest="created_samples",
        help="add the time of the first call of each series to OpenMetrics; doubles "
        "the samples of call metrics",
    )

    def build(found: Namespace) -> WebOptions:
        if found.systemd_socket and found.listen_addresses:
            parser.error(
                "--web.systemd-socket and --web.listen-address are both set, by flags "
                "or by variables: remove one"
            )
        return WebOptions(
            listen_addresses=listen_addresses(found),
            systemd_socket=bool(found.systemd_socket),
            telemetry_path=found.telemetry_path,
            config_file=found.config_file,
            created_samples=bool(found.created_samples),
        )

    return build


def listen_address_flag(parser: Parser) -> Build[tuple[str, ...]]:
    """Add --web.listen-address."""
    parser.add_argument(
        "--web.listen-address",
        action="append",
        dest="listen_addresses",
        metavar="[HOST]:PORT",
        help=f"address to listen on; repeatable (default: {DEFAULT_ADDRESS})",
    )
    return lambda found: tuple(found.listen_addresses or [DEFAULT_ADDRESS])


def bpf_flags(parser: Parser) -> Build[BpfOptions]:
    """Add the --bpf flags."""
    hook = hook_flag(parser)
    parser.add_argument(
        "--bpf.max-entries",
        type=values.max_entries,
        default=8192,
        dest="max_entries",
        metavar="N",
        help="maximum distinct (comm, arguments, errno) combinations of callers with "
        "CAP_SYS_ADMIN in the initial user namespace",
    )
    parser.add_argument(
        "--bpf.max-user-entries",
        type=values.max_entries,
        dest="max_user_entries",
        metavar="N",
        help="the same for all other callers together (default: "
        f"{MAX_USER_ENTRIES}, or {MAX_USER_ENTRIES_BY_CGROUP} with --label.container)",
    )
    pin = pin_flag(parser)
    return lambda found: BpfOptions(
        hook(found),
        found.max_entries,
        found.max_user_entries or _default_user_entries(found),
        pin(found),
    )


def _default_user_entries(found: Namespace) -> int:
    """Return the default of --bpf.max-user-entries, which --label.container raises."""
    return MAX_USER_ENTRIES_BY_CGROUP if found.container else MAX_USER_ENTRIES


def hook_flag(parser: Parser) -> Build[str]:
    """Add --bpf.hook."""
    parser.add_argument(
        "--bpf.hook",
        choices=HOOKS,
        default="auto",
        dest="hook",
        help="where to see calls; auto takes the first hook that works",
    )
    return lambda found: str(found.hook)


def pin_flag(parser: Parser) -> Build[Path | None]:
    """Add --bpf.pin."""
    parser.add_argument(
        "--bpf.pin",
        type=Path,
        dest="pin",
        metavar="DIR",
        help="folder in a bpffs for the programs and maps, which then keep counting "
        "while the exporter restarts",
    )
    return lambda found: found.pin


def sysfs_flag(parser: Parser) -> Build[Path]:
    """Add --path.sysfs. Serving accepts the flag as node_exporter does."""
    parser.add_argument(
        "--path.sysfs",
        type=Path,
        default=Path("/sys"),
        dest="sysfs",
        metavar="DIR",
        help="mount point of sysfs; used by check",
    )
    return lambda found: Path(found.sysfs)


def collector_flags(
    parser: Parser, collectors: Iterable[Switchable]
) -> Build[CollectorOptions]:
    """Add the flags that enable *collectors*, and the flags of their sources."""
    known = tuple(collectors)
    for each in known:
        default = "on" if each.on_by_default else "off"
        parser.add_argument(
            f"--collector.{each.name}",
            action=BooleanOptionalAction,
            help=f"{each.help} (default: {default})",
        )
    parser.add_argument(
        "--collector.disable-defaults",
        action=BooleanOptionalAction,
        dest="disable_defaults",
        help="run only the collectors that are enabled by a flag of their own",
    )
    parser.add_argument(
        "--collector.groups.interval",
        type=values.interval,
        dest="groups_interval",
        metavar="TIME",
        help="time between two lists of groups, for example 90s or 5m; known groups "
        "are read every second (default: 2s by the kernel's iterator, 10s by /proc)",
    )
    parser.add_argument(
        "--path.procfs",
        type=Path,
        default=PROC,
        dest="procfs",
        metavar="DIR",
        help="mount point of the host's procfs, for the collectors groups, inotify, "
        "mark_calls_in_progress, mount_coverage and limits",
    )

    def build(found: Namespace) -> CollectorOptions:
        enabled = set()
        for each in known:
            default = each.on_by_default and not found.disable_defaults
            chosen = vars(found)[f"collector.{each.name}"]
            if default if chosen is None else chosen:
                enabled.add(each.name)
        return CollectorOptions(frozenset(enabled), found.groups_interval, found.procfs)

    return build


def label_flags(parser: Parser, droppable: Sequence[str]) -> Build[LabelOptions]:
    """Add the --label flags. *droppable* are the labels that may be dropped."""
    parser.add_argument(
        "--label.container",
        action=BooleanOptionalAction,
        dest="container",
        help="add the labels cgroup and container_id to calls (not to those of "
        "inotify_add_watch), permission waits, events, groups and inotify instances",
    )
    parser.add_argument(
        "--label.drop",
        type=lambda text: values.labels(text, droppable),
        dest="dropped",
        metavar="NAME,...",
        help=f"comma-separated labels to drop ({', '.join(droppable)})",
    )
    return lambda found: LabelOptions(
        bool(found.container), frozenset(found.dropped or ())
    )


def log_flags(parser: Parser) -> Build[LogOptions]:
    """Add the --log flags."""
    parser.add_argument(
        "--log.level",
        type=values.log_level,
        choices=LOG_LEVELS,
        default="info",
        dest="level",
        help="minimum log level",
    )
    parser.add_argument(
        "--log.format",
        choices=LOG_FORMATS,
        default="logfmt",
        dest="format",
        help="format of log lines",
    )
    return lambda found: LogOptions(found.level, found.format)
