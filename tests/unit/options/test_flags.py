"""Groups of flags, and the options that are built from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from fanotify_exporter.errors import UsageError
from fanotify_exporter.options.flags import (
    HOOKS,
    LOG_FORMATS,
    LOG_LEVELS,
    Build,
    bpf_flags,
    collector_flags,
    label_flags,
    log_flags,
    web_flags,
)
from fanotify_exporter.options.model import (
    BpfOptions,
    CollectorOptions,
    LabelOptions,
    LogOptions,
    WebOptions,
)
from fanotify_exporter.options.parser import Parser


T = TypeVar("T")


@dataclass(frozen=True)
class Collector:
    name: str
    on_by_default: bool
    help: str = "things"


COLLECTORS = (Collector("groups", True), Collector("events", False))  # noqa: FBT003


def built(add: Callable[[Parser], Build[T]], *argv: str) -> T:
    """Return the options that *add* builds from *argv*."""
    parser = Parser("check")
    build = add(parser)
    return build(parser.parse(argv, {}))


def enabled(*argv: str) -> set[str]:
    return set(built(lambda parser: collector_flags(parser, COLLECTORS), *argv).enabled)


def test_web() -> None:
    """Without flags the exporter listens on port 10301 of all addresses."""
    assert WebOptions(
        (":10301",), systemd_socket=False, telemetry_path="/metrics", config_file=None
    ) == built(web_flags)
    assert WebOptions(
        (":1", ":2"), systemd_socket=False, telemetry_path="/x", config_file=Path("f")
    ) == built(
        web_flags,
        *("--web.listen-address=:1", "--web.listen-address=:2"),
        *("--web.telemetry-path=/x", "--web.config.file=f"),
    )
    assert built(web_flags, "--web.systemd-socket").systemd_socket


def test_addresses_and_systemd_sockets() -> None:
    """Listen addresses and systemd's sockets exclude each other."""
    address = "--web.listen-address=:1"
    with pytest.raises(UsageError, match="are both set"):
        built(web_flags, "--web.systemd-socket", address)
    options = built(web_flags, "--no-web.systemd-socket", address)
    assert (":1",) == options.listen_addresses


def test_empty_config_file_is_a_path() -> None:
    """An empty flag never means that the server has no access control."""
    assert built(web_flags, "--web.config.file=").config_file is not None


def test_bpf() -> None:
    """Each flag changes one option."""

    def add(parser: Parser) -> Build[BpfOptions]:
        label_flags(parser, ())
        return bpf_flags(parser)

    assert BpfOptions("auto", 8192, 1024, None) == built(add)
    assert 4096 == built(add, "--label.container").max_user_entries
    assert BpfOptions("auto", 5, 6, Path("/p")) == built(
        add,
        *("--bpf.max-entries=5", "--bpf.max-user-entries=6", "--bpf.pin=/p"),
        "--label.container",
    )
    assert list(HOOKS) == [built(add, f"--bpf.hook={h}").hook for h in HOOKS]


def test_log() -> None:
    """Each level and each format can be chosen."""
    assert LogOptions("info", "logfmt") == built(log_flags)
    for level in LOG_LEVELS:
        assert level == built(log_flags, f"--log.level={level}").level
        assert level == built(log_flags, f"--log.level={level.upper()}").level
    assert "warn" == built(log_flags, "--log.level=Warning").level
    for each in LOG_FORMATS:
        assert each == built(log_flags, f"--log.format={each}").format


def test_labels() -> None:
    """Only the labels that may be dropped are accepted."""

    def add(parser: Parser) -> Build[LabelOptions]:
        return label_flags(parser, ("comm", "mask"))

    assert LabelOptions(container=False, dropped=frozenset()) == built(add)
    assert LabelOptions(container=True, dropped=frozenset({"mask"})) == built(
        add, "--label.container", "--label.drop=mask"
    )


def test_collectors_read_the_hosts_procfs() -> None:
    """The folder and the interval of the scans are options of the collectors."""
    assert CollectorOptions(frozenset({"groups"}), 90, Path("/host/proc")) == built(
        lambda parser: collector_flags(parser, COLLECTORS),
        *("--collector.groups.interval=90s", "--path.procfs=/host/proc"),
    )


def test_interval_is_up_to_the_source() -> None:
    """Without a flag the source that lists groups has its own interval."""
    options = built(lambda parser: collector_flags(parser, COLLECTORS))
    assert options.groups_interval is None


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([], {"groups"}),
        (["--collector.events"], {"groups", "events"}),
        (["--no-collector.groups"], set()),
        (["--collector.disable-defaults"], set()),
        (["--collector.disable-defaults", "--collector.groups"], {"groups"}),
        (["--collector.disable-defaults", "--collector.events"], {"events"}),
        (["--no-collector.disable-defaults"], {"groups"}),
    ],
)
def test_enabled_collectors(argv: list[str], expected: set[str]) -> None:
    """A collector runs by default or by its flag; the defaults can be disabled."""
    assert expected == enabled(*argv)
