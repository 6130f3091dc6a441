"""Sixth row of the dashboard: blocking marks, their calls, unmarked mounts."""

from __future__ import annotations

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Panel

from grafana.panel_base import PanelInfo
from grafana.panels import bars, lines
from grafana.promql import (
    HOST_MATCHERS,
    max_by,
    per_second,
    select,
    sum_by,
    top,
    top_nonzero,
)
from grafana.selectors import BLOCKING_MARKS, CALLS_PER_SECOND, MAX_LINES, MAX_ROWS
from grafana.tables import Column, table_panel


def panels() -> list[Builder[Panel]]:
    """Return the panels, from left to right and top to bottom."""
    return [existing_marks(), requests(), removals(), mounts()]


def existing_marks() -> Builder[Panel]:
    """Return the graph of blocking marks by program and host."""
    programs = sum_by(BLOCKING_MARKS, "instance, comm")
    return lines(
        PanelInfo(
            "Blocking marks by program",
            "Blocking marks that exist, by program and host. If a program with "
            "blocking marks hangs or is slow, processes that open its marked files "
            "wait. Where a line ends, the program's protection has ended. All callers.",
            runbooks=("FanotifyMultipleBlockingProcesses", "FanotifyProtectorGone"),
        ),
        {"{{comm}} on {{instance}}": top(MAX_LINES, programs)},
        unit=units.LocaleFormat,
    )


def requests() -> Builder[Panel]:
    """Return the graph of calls that request a blocking event."""
    calls = select(
        "fanotify_mark_calls_total",
        HOST_MATCHERS,
        'action="add"',
        'mask=~".*(_PERM|FAN_PRE_ACCESS).*"',
    )
    rates = sum_by(per_second(calls), "comm")
    return bars(
        PanelInfo(
            "Requests for blocking events",
            "fanotify_mark calls per second that add an event whose accesses wait for "
            "the caller's permission. Includes failed calls, and programs that end too "
            "soon for a scan of /proc to see their marks. All callers.",
            runbooks=("FanotifyNewBlockingProcess",),
        ),
        {"{{comm}}": top_nonzero(MAX_LINES, rates)},
        unit=CALLS_PER_SECOND,
    )


def removals() -> Builder[Panel]:
    """Return the graph of calls that remove or flush marks."""
    calls = select("fanotify_mark_calls_total", HOST_MATCHERS, 'action=~"remove|flush"')
    rates = sum_by(per_second(calls), "comm, action")
    return bars(
        PanelInfo(
            "Removed and flushed marks",
            "fanotify_mark calls per second that remove one mark (remove) or all marks "
            "of a type in a group (flush). If the caller protects the host, its "
            "protection ends. All callers.",
            runbooks=("FanotifyProtectionRemoved",),
        ),
        {"{{comm}}, {{action}}": top_nonzero(MAX_LINES, rates)},
        unit=CALLS_PER_SECOND,
    )


def mounts() -> Builder[Panel]:
    """Return the table of mounts that marks cover, and of those that they do not."""

    def number(marked: str) -> str:
        series = select("fanotify_mounts", HOST_MATCHERS, f'marked="{marked}"')
        return top(MAX_ROWS, max_by(series, "instance, comm, fstype"))

    return table_panel(
        PanelInfo(
            "Mounts with and without a mark",
            "Mounts of the host that the mount and filesystem marks of a program cover "
            "(Marked) and do not cover (Not marked), by type of filesystem. Of a "
            "program that blocks, its blocking marks. A program may leave out mounts "
            "on purpose; the exporter's own page names the mount points. All callers.",
            width=24,
            runbooks=("FanotifyProtectorMissesMount",),
        ),
        {"instance": "Host", "comm": "Program", "fstype": "Filesystem"},
        (
            Column("Not marked", number("false")),
            Column("Marked", number("true")),
        ),
    )
