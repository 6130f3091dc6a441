"""Last row of the dashboard: state, completeness and resource use of the exporters."""

from __future__ import annotations

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Panel

from grafana.panel_base import RED, PanelInfo
from grafana.panels import bars, lines, ratio_lines, state_timeline
from grafana.promql import (
    BUILD_INFO,
    HOST_MATCHERS,
    LAST_SCAN,
    max_by,
    per_second,
    select,
    sum_by,
    top,
)
from grafana.selectors import (
    CALLS_PER_SECOND,
    LOST_CALLS,
    MAP_KEYS_USED,
    MAX_LINES,
    MAX_ROWS,
)
from grafana.tables import Column, table_panel


def panels() -> list[Builder[Panel]]:
    """Return the panels, from left to right and top to bottom."""
    return [
        exporters(),
        probes(),
        lost_calls(),
        map_usage(),
        collectors(),
        scrape_duration(),
        series(),
        memory(),
        cpu(),
        scan_age(),
        unreadable_processes(),
    ]


def exporters() -> Builder[Panel]:
    """Return the table of exporters with their versions and uptime."""
    headings = {
        "instance": "Host",
        "version": "Version",
        "revision": "Revision",
        "kernel": "Kernel",
        "bcc": "bcc",
        "python": "Python",
    }
    uptime = f"time() - {select('process_start_time_seconds', HOST_MATCHERS)}"
    return table_panel(
        PanelInfo(
            "Exporters",
            "One row for each exporter that Prometheus can scrape. A host without a "
            "row has no exporter that answers. After a restart an exporter counts from "
            "0, unless its programs are pinned.",
            width=12,
            height=7,
            runbooks=("FanotifyExporterDown",),
        ),
        headings,
        (
            Column(
                "Uptime",
                top(
                    MAX_ROWS,
                    f"{sum_by(BUILD_INFO, ', '.join(headings))}\n"
                    f"* on (instance) group_left min by (instance) ({uptime})",
                ),
                units.DurationSeconds,
            ),
        ),
    )


def probes() -> Builder[Panel]:
    """Return the table of probes with the number of hosts that have them attached."""
    attached = select("fanotify_exporter_probe_attached", HOST_MATCHERS)
    return table_panel(
        PanelInfo(
            "Probes",
            "Counted system calls, the attach points of their probes in the kernel, "
            "and the number of hosts. A detached probe counts nothing.",
            width=12,
            height=7,
            runbooks=("FanotifyExporterProbeNotAttached",),
        ),
        {"probe": "System call", "hook": "Attach point"},
        (
            Column("Attached", sum_by(attached, "probe, hook")),
            Column(
                "Detached", sum_by(f"1 - {attached}", "probe, hook"), levels={1: RED}
            ),
        ),
    )


def lost_calls() -> Builder[Panel]:
    """Return the graph of calls without a known caller, by reason."""
    return bars(
        PanelInfo(
            "Calls without a known caller",
            "Calls per second that are not counted under their caller. no_entry, "
            "recursion and nmissed: a probe missed the call. map_full: the exporter's "
            "map had no room for the call's key. 0 is normal.",
            runbooks=("FanotifyExporterCallsLost",),
        ),
        {"{{reason}}": sum_by(per_second(LOST_CALLS), "reason")},
        unit=CALLS_PER_SECOND,
    )


def map_usage() -> Builder[Panel]:
    """Return the graph of the used share of the exporters' maps."""
    return ratio_lines(
        PanelInfo(
            "Used share of the maps",
            "Share of --bpf.max-entries and --bpf.max-user-entries in use. "
            "Unprivileged users can fill calls_user, which holds their calls, and "
            "inotify_add_watch. They cannot fill calls_privileged. "
            "Keys stay until the exporter restarts.",
            runbooks=("FanotifyExporterMapNearFull",),
        ),
        {"{{map}} on {{instance}}": top(MAX_LINES, MAP_KEYS_USED)},
        "fanotify_threshold:map_entries:ratio",
    )


def collectors() -> Builder[Panel]:
    """Return the timeline of collectors that work or fail."""
    success = select("fanotify_exporter_collector_success", HOST_MATCHERS)
    return state_timeline(
        PanelInfo(
            "Collectors",
            "Green: the collector works on all selected hosts. Red: the collector "
            "fails on at least one host, and its metrics are missing there.",
            runbooks=("FanotifyExporterCollectorFailed",),
        ),
        {"{{collector}}": f"min by (collector) ({success})"},
        {"0": "fails", "1": "works"},
    )


def scrape_duration() -> Builder[Panel]:
    """Return the graph of the scrape duration and of each collector's part."""
    durations = select("fanotify_exporter_collector_duration_seconds", HOST_MATCHERS)
    return lines(
        PanelInfo(
            "Scrape duration",
            "On the slowest host: the whole scrape as measured by Prometheus, and the "
            "part of each collector.",
        ),
        {
            "whole scrape": max_by(f"scrape_duration_seconds{{{HOST_MATCHERS}}}"),
            "{{collector}}": max_by(durations, "collector"),
        },
        unit=units.Seconds,
    )


def series() -> Builder[Panel]:
    """Return the graph of the number of exposed series."""
    counts = select("fanotify_exporter_collector_series", HOST_MATCHERS)
    return lines(
        PanelInfo(
            "Series",
            "Number of series that the selected hosts expose, by collector. Each new "
            "combination of caller, flags and mask adds series; --label.drop reduces "
            "their number.",
        ),
        {"{{collector}}": sum_by(counts, "collector")},
        unit=units.LocaleFormat,
    )


def memory() -> Builder[Panel]:
    """Return the graph of the exporters' memory."""
    resident = select("process_resident_memory_bytes", HOST_MATCHERS)
    return lines(
        PanelInfo("Memory", "Resident memory of the exporters, the ten largest."),
        {"{{instance}}": top(MAX_LINES, resident)},
        unit=units.BytesIEC,
    )


def cpu() -> Builder[Panel]:
    """Return the graph of the exporters' CPU time."""
    consumed = select("process_cpu_seconds_total", HOST_MATCHERS)
    return lines(
        PanelInfo(
            "CPU",
            "Share of one CPU that the exporters use, the ten highest. CPU time of the "
            "probes in the kernel is not included.",
        ),
        {"{{instance}}": top(MAX_LINES, f"rate({consumed}[$__rate_interval])")},
        unit=units.PercentUnit,
    )


def scan_age() -> Builder[Panel]:
    """Return the graph of the time since the last scan of /proc."""
    return lines(
        PanelInfo(
            "Age of the last group scan",
            "Time since the exporter last inspected every process for groups and "
            "marks. If the age exceeds a few times --collector.groups.interval, the "
            "panels show outdated groups and marks.",
        ),
        {"{{instance}}": top(MAX_LINES, f"time() - {LAST_SCAN}")},
        unit=units.Seconds,
    )


def unreadable_processes() -> Builder[Panel]:
    """Return the graph of processes and descriptors that the scan did not inspect."""
    unreadable = select("fanotify_exporter_groups_unreadable_processes", HOST_MATCHERS)
    left_out = select("fanotify_exporter_groups_descriptors_left_out", HOST_MATCHERS)
    return lines(
        PanelInfo(
            "Left out of the group scan",
            "Groups that only these processes or descriptors have are not shown. "
            "Processes: the kernel denied access. A few are normal for an exporter "
            "that runs as root; many mean that the exporter lacks CAP_SYS_PTRACE. "
            "Descriptors: a process or an unprivileged user has more than the scan "
            "keeps.",
        ),
        {
            "{{instance}} processes": top(MAX_LINES, unreadable),
            "{{instance}} descriptors": top(MAX_LINES, left_out),
        },
        unit=units.LocaleFormat,
    )
