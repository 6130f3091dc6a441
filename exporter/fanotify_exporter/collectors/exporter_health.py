"""
Collector of the exporter's own health: version, probes, maps, lost calls.

# TYPE fanotify_exporter_probe_attached gauge
fanotify_exporter_probe_attached{probe="fanotify_mark",
  hook="tracepoint:syscalls:sys_exit_fanotify_mark"} 1
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from fanotify_exporter import __version__
from fanotify_exporter.bpf.ftrace import is_attached
from fanotify_exporter.bpf.loaded import AttachedProbe
from fanotify_exporter.bpf.samples import Lost, Usage
from fanotify_exporter.collectors.revision import read_revision


Family = CounterMetricFamily | GaugeMetricFamily


@dataclass(frozen=True, slots=True)
class ServerState:
    """
    The state of the serving process.

    Attributes:
        log_records_dropped: returns the number of log records that were not written.
        web_config_age: returns the seconds since the last look at the web
            configuration; None without a web configuration.
    """

    log_records_dropped: Callable[[], int]
    web_config_age: Callable[[], float] | None = None


# For tools and tests that collect without serving.
NO_SERVER = ServerState(lambda: 0)


class Counted(Protocol):
    """The part of the maps of a set of programs that the collector reads."""

    @property
    def counting_since(self) -> float:
        """Unix time when the programs began to count, seconds."""

    @property
    def usage(self) -> tuple[Usage, ...]:
        """Use of the maps."""

    @property
    def lost(self) -> tuple[Lost, ...]:
        """Calls and waits that were not counted under their keys."""


@dataclass(frozen=True, slots=True)
class ProgramSet:
    """
    Programs that are loaded together, and count since the same time.

    Attributes:
        name: value of the label "programs".
        probes: the attached programs.
        read: returns the snapshot of the maps.
    """

    name: str
    probes: Sequence[AttachedProbe]
    read: Callable[[], Counted]


class ExporterHealthCollector:
    """Collector of the fanotify_exporter_* families about probes and maps."""

    def __init__(
        self,
        bcc: str,
        programs: Sequence[ProgramSet] = (),
        attached: Callable[[str], bool] = is_attached,
        server: ServerState = NO_SERVER,
    ) -> None:
        """
        Collect the state of the exporter and of *programs*.

        Args:
            bcc: version of bcc that compiled the programs.
            programs: the sets of programs that are loaded.
            attached: returns whether the kernel runs programs at an attach point.
            server: the state of the serving process.
        """
        self._programs = programs
        self._attached = attached
        self._server = server
        self._build = (
            __version__,
            read_revision(),
            platform.python_version(),
            bcc,
            os.uname().release,
        )

    def describe(self) -> Iterator[Family]:
        """Yield the families without series."""
        yield GaugeMetricFamily(
            "fanotify_exporter_build_info",
            "Always 1; the labels are the versions of the exporter and its parts.",
            labels=("version", "revision", "python", "bcc", "kernel"),
        )
        yield GaugeMetricFamily(
            "fanotify_exporter_probe_attached",
            "1 if the probe is attached to the hook, 0 while kernel.ftrace_enabled=0 "
            "disables it.",
            labels=("probe", "hook"),
        )
        yield GaugeMetricFamily(
            "fanotify_exporter_map_entries",
            "Number of keys in the map.",
            labels=("map",),
        )
        yield GaugeMetricFamily(
            "fanotify_exporter_map_max_entries",
            "Maximum number of keys in the map.",
            labels=("map",),
        )
        yield CounterMetricFamily(
            "fanotify_exporter_lost_calls",
            "Calls not counted under their caller, by probe and reason.",
            labels=("probe", "reason"),
        )
        yield GaugeMetricFamily(
            "fanotify_exporter_counting_start_time_seconds",
            "Unix time at which the programs began to count. With --bpf.pin this may "
            "be before the exporter started.",
            labels=("programs",),
        )
        yield GaugeMetricFamily(
            "fanotify_exporter_web_config_age_seconds",
            "Seconds since the last look at the files of --web.config.file was "
            "answered. The exporter looks each second.",
        )
        yield CounterMetricFamily(
            "fanotify_exporter_log_records_dropped",
            "Log records that were not written, because nobody read the log in time or "
            "writing failed.",
        )

    def collect(self) -> Iterator[Family]:
        """Yield the families with their current values."""
        info, attached, entries, max_entries, lost, start, age, dropped = (
            self.describe()
        )
        info.add_metric(self._build, 1)
        for programs in self._programs:
            for probe in programs.probes:
                labels = (probe.name, probe.attach_point)
                attached.add_metric(labels, self._attached(probe.attach_point))
            counted = programs.read()
            for usage in counted.usage:
                entries.add_metric((usage.map,), usage.entries)
                max_entries.add_metric((usage.map,), usage.max_entries)
            for each in counted.lost:
                if not each.is_stale:
                    lost.add_metric((each.probe, each.reason), each.count)
            start.add_metric((programs.name,), counted.counting_since)
        if self._server.web_config_age:
            age.add_metric((), self._server.web_config_age())
        dropped.add_metric((), self._server.log_records_dropped())
        yield from (info, attached, entries, max_entries, lost, start, age, dropped)
