"""The last row: whether the exporters work, and what they cost."""

from __future__ import annotations

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Panel

from grafana.panel_base import RED, About
from grafana.panels import bars, lines, shares, states
from grafana.promql import HOST, RUNS, SCANNED, most, per_second, select, top, total
from grafana.selectors import CALLS_PER_SECOND, LINES, LOST, MAP_KEYS, ROWS
from grafana.tables import Column, listing


def panels() -> list[Builder[Panel]]:
    """Return the panels, from left to right and top to bottom."""
    return [
        exporters(),
        probes(),
        lost(),
        maps(),
        collectors(),
        seconds(),
        series(),
        memory(),
        processor(),
        scan_age(),
        unreadable(),
    ]


def exporters() -> Builder[Panel]:
    """Return what runs where, and since when."""
    labels = {
        "instance": "Host",
        "version": "Version",
        "revision": "Revision",
        "kernel": "Kernel",
        "bcc": "bcc",
        "python": "Python",
    }
    uptime = f"time() - {select('process_start_time_seconds', HOST)}"
    return listing(
        About(
            "What runs where",
            "One row for each exporter that Prometheus scrapes. A host that is "
            "missing, or has just started again, counts from then on.",
            width=12,
            height=7,
            runbooks=("FanotifyExporterDown",),
        ),
        labels,
        (
            Column(
                "Up for",
                top(
                    ROWS,
                    f"{total(RUNS, ', '.join(labels))}\n"
                    f"* on (instance) group_left min by (instance) ({uptime})",
                ),
                units.DurationSeconds,
            ),
        ),
    )


def probes() -> Builder[Panel]:
    """Return where each probe hangs."""
    attached = select("fanotify_exporter_probe_attached", HOST)
    return listing(
        About(
            "Probes",
            "Where in the kernel calls are counted, and on how many hosts. A probe "
            "that is not attached sees nothing.",
            width=12,
            height=7,
            runbooks=("FanotifyExporterProbeNotAttached",),
        ),
        {"probe": "Counts", "hook": "Hook"},
        (
            Column("Attached", total(attached, "probe, hook")),
            Column("Off", total(f"1 - {attached}", "probe, hook"), levels={1: RED}),
        ),
    )


def lost() -> Builder[Panel]:
    """Return calls that have no caller, by reason."""
    return bars(
        About(
            "Calls that have no caller",
            "Calls per second that the exporter cannot put under a name. no_entry, "
            "recursion, nmissed: a probe did not see the call; map_full: there was no "
            "room for its key. 0 is right.",
            runbooks=("FanotifyExporterCallsLost",),
        ),
        {"{{reason}}": total(per_second(LOST), "reason")},
        unit=CALLS_PER_SECOND,
    )


def maps() -> Builder[Panel]:
    """Return how full the exporters' maps are."""
    return shares(
        About(
            "Room for keys",
            "Share of --bpf.max-entries in use. calls_user is what unprivileged users "
            "called, and they can fill it; calls_root is not touched by that. Keys "
            "stay until the exporter restarts.",
            runbooks=("FanotifyExporterMapNearFull",),
        ),
        {"{{map}} on {{instance}}": top(LINES, MAP_KEYS)},
        "fanotify_threshold:map_entries:ratio",
    )


def collectors() -> Builder[Panel]:
    """Return which collectors work on all hosts."""
    success = select("fanotify_exporter_collector_success", HOST)
    return states(
        About(
            "Collectors",
            "Green: works on all chosen hosts. Red: fails on one at least, and its "
            "metrics are missing there.",
            runbooks=("FanotifyExporterCollectorFailed",),
        ),
        {"{{collector}}": f"min by (collector) ({success})"},
        {"0": "fails", "1": "works"},
    )


def seconds() -> Builder[Panel]:
    """Return what a scrape takes, and its parts."""
    durations = select("fanotify_exporter_collector_duration_seconds", HOST)
    return lines(
        About(
            "How long a scrape takes",
            "The slowest host: a whole scrape as Prometheus sees it, and each "
            "collector's part of it.",
        ),
        {
            "whole scrape": most(f"scrape_duration_seconds{{{HOST}}}"),
            "{{collector}}": most(durations, "collector"),
        },
        unit=units.Seconds,
    )


def series() -> Builder[Panel]:
    """Return how many series Prometheus gets."""
    return lines(
        About(
            "Series",
            "How many series the chosen hosts give to Prometheus, by collector. Each "
            "new combination of caller, flags and mask adds some; --label.drop cuts "
            "them.",
        ),
        {"{{collector}}": total(select("fanotify_exporter_series", HOST), "collector")},
        unit=units.LocaleFormat,
    )


def memory() -> Builder[Panel]:
    """Return the memory of the exporters."""
    return lines(
        About("Memory", "Resident memory of the exporters, the ten largest."),
        {"{{instance}}": top(LINES, select("process_resident_memory_bytes", HOST))},
        unit=units.BytesIEC,
    )


def processor() -> Builder[Panel]:
    """Return the CPU time of the exporters."""
    return lines(
        About(
            "CPU",
            "Share of one CPU that the exporters take, the ten busiest. What the "
            "probes take in the kernel is not in it.",
        ),
        {
            "{{instance}}": top(
                LINES,
                f"rate({select('process_cpu_seconds_total', HOST)}[$__rate_interval])",
            )
        },
        unit=units.PercentUnit,
    )


def scan_age() -> Builder[Panel]:
    """Return how old what /proc said is."""
    return lines(
        About(
            "Age of the last look for groups",
            "How long ago every process was looked at for groups and marks. Above a "
            "few times --collector.groups.interval, what exists now is not what is "
            "shown.",
        ),
        {"{{instance}}": top(LINES, f"time() - {SCANNED}")},
        unit=units.Seconds,
    )


def unreadable() -> Builder[Panel]:
    """Return how many processes could not be looked at."""
    return lines(
        About(
            "Processes that cannot be looked at",
            "They refused, so their groups and marks are not shown. As root only a few "
            "do; many mean that the exporter lacks CAP_SYS_PTRACE.",
        ),
        {
            "{{instance}}": top(
                LINES, select("fanotify_exporter_groups_unreadable_processes", HOST)
            )
        },
        unit=units.LocaleFormat,
    )
