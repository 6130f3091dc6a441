"""The options of each command: frozen dataclasses, built by flags.py."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class WebOptions:
    """
    Options of the HTTP server.

    Attributes:
        listen_addresses: unused with *systemd_socket*.
        created_samples: whether OpenMetrics has ``_created`` samples.
    """

    listen_addresses: tuple[str, ...]
    systemd_socket: bool
    telemetry_path: str
    config_file: Path | None
    created_samples: bool = False


@dataclass(frozen=True, slots=True)
class BpfOptions:
    """Options of the BPF programs: the hook, the size of the maps, the pin folder."""

    hook: str
    max_entries: int
    max_user_entries: int
    pin: Path | None


@dataclass(frozen=True, slots=True)
class LabelOptions:
    """Options of the labels of call metrics."""

    container: bool
    dropped: frozenset[str]


@dataclass(frozen=True, slots=True)
class CollectorOptions:
    """
    Options of the collectors.

    Attributes:
        enabled: names of the collectors to run.
        groups_interval: seconds between lists of groups; None for the default of the
            source that lists them.
        procfs: mount point of the host's procfs.
    """

    enabled: frozenset[str]
    groups_interval: int | None
    procfs: Path


@dataclass(frozen=True, slots=True)
class LogOptions:
    """Options of the log: the minimum level and the format."""

    level: str
    format: str


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """
    Options of serving.

    Attributes:
        user: user to run as after attaching, None to stay the same user.
        unknown_variables: variables with the exporter's prefix that stand for no flag,
            each with a similar variable or "".
    """

    web: WebOptions
    bpf: BpfOptions
    labels: LabelOptions
    collectors: CollectorOptions
    log: LogOptions
    user: str | None
    unknown_variables: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """Options of ``check``."""

    hook: str
    sysfs: Path
    json: bool


@dataclass(frozen=True, slots=True)
class TraceOptions:
    """
    Options of ``trace``. A filter that is None excludes no call.

    Attributes:
        json: whether to print JSON objects instead of text.
        syscalls: names of the calls to show.
        count: number of calls after which to end, None for no end.
        duration: seconds after which to end, None for no end.
        container: whether to show the cgroup and the container of the caller.
        resolve: whether to show what /proc has for the descriptors.
    """

    hook: str
    json: bool
    syscalls: tuple[str, ...]
    comm: bytes | None
    uid: int | None
    failed: bool
    errno: int | None
    count: int | None
    duration: int | None
    container: bool
    resolve: bool


@dataclass(frozen=True, slots=True)
class UnpinOptions:
    """Options of ``unpin``."""

    pin: Path | None


@dataclass(frozen=True, slots=True)
class HealthcheckOptions:
    """Options of ``healthcheck``."""

    address: str
