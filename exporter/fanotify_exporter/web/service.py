"""The objects that the HTTP server publishes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fanotify_exporter.landing.mounts import UnmarkedMounts
from fanotify_exporter.landing.summary import Absence
from fanotify_exporter.landing.waits import Waits
from fanotify_exporter.metrics.registry import Registry
from fanotify_exporter.web.connections import MAX_CONNECTIONS


def no_waits() -> None:
    """Stand for a source of waiting tasks that knows none."""


def no_mounts() -> None:
    """Stand for a source of mounts that knows none."""


@dataclass(frozen=True, slots=True)
class MetricsService:
    """
    A registry and how to publish it.

    Attributes:
        telemetry_path: path of the metrics.
        ready: whether all probes are attached, for /-/ready.
        absences: collectors whose figures may be missing, and why; for the landing
            page.
        limitations: what parts of the exporter lack on this host; for the landing page.
        waits: returns the tasks that wait for permission listeners without waiting
            itself, None if they are not known; for the landing page.
        unmarked: returns the mounts that programs which block do not cover, None if
            they are not known; for the landing page.
        max_connections: connections that may be open at a time.
    """

    registry: Registry
    telemetry_path: str
    ready: Callable[[], bool]
    absences: Mapping[str, Absence] = field(default_factory=dict)
    limitations: Mapping[str, str] = field(default_factory=dict)
    waits: Callable[[], Waits | None] = no_waits
    unmarked: Callable[[], UnmarkedMounts | None] = no_mounts
    max_connections: int = MAX_CONNECTIONS
