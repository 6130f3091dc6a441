"""The objects that the HTTP server publishes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry


@dataclass(frozen=True, slots=True)
class MetricsService:
    """
    A registry and how to publish it.

    Attributes:
        telemetry_path: path of the metrics.
        ready: whether all probes are attached, for /-/ready.
    """

    registry: CollectorRegistry
    telemetry_path: str
    ready: Callable[[], bool]
