"""Eighth row of the dashboard: details of the selected callers."""

from __future__ import annotations

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Panel

from grafana.panel_base import PanelInfo
from grafana.panels import bars
from grafana.promql import increase_in_range, per_second, sum_by, top_nonzero
from grafana.selectors import (
    BITS,
    CALLS,
    CALLS_PER_SECOND,
    ERRORS,
    INIT_CALLS,
    INIT_ERRORS,
    INOTIFY_CALLS,
    MAX_LINES,
    MAX_ROWS,
)
from grafana.tables import Column, calls_and_errors, table_panel


def panels() -> list[Builder[Panel]]:
    """Return the panels, from left to right and top to bottom."""
    return [mark_calls(), events(), init_calls(), creation_rate()]


def mark_calls() -> Builder[Panel]:
    """Return the table of fanotify_mark calls by host and all arguments."""
    key = "instance, comm, action, mark_type, flags, mask"
    return table_panel(
        PanelInfo(
            "All fanotify_mark calls",
            "fanotify_mark calls in the selected time range, by all labels that the "
            "exporter has. Select a caller at the top, or click on one here.",
            width=24,
            height=9,
        ),
        {
            "instance": "Host",
            "comm": "Caller",
            "action": "Action",
            "mark_type": "Mark type",
            "flags": "Flags",
            "mask": "Events",
        },
        calls_and_errors(CALLS, ERRORS, key),
    )


def events() -> Builder[Panel]:
    """Return the table of fanotify_mark calls by bit of the mask."""
    calls = sum_by(increase_in_range(BITS), "action, bit")
    return table_panel(
        PanelInfo(
            "Requested events",
            "fanotify_mark calls in the selected time range by bit of the mask. A call "
            "with three bits is counted in three rows. All callers.",
            width=7,
        ),
        {"action": "Action", "bit": "Event"},
        (Column("Calls", top_nonzero(MAX_ROWS, calls)),),
    )


def init_calls() -> Builder[Panel]:
    """Return the table of fanotify_init calls by class and flags."""
    return table_panel(
        PanelInfo(
            "fanotify_init calls",
            "Groups opened in the selected time range, and failed attempts. A group of "
            "class content or pre_content can block file access.",
            width=11,
        ),
        {"comm": "Caller", "class": "Class", "flags": "Flags"},
        calls_and_errors(INIT_CALLS, INIT_ERRORS, "comm, class, flags"),
    )


def creation_rate() -> Builder[Panel]:
    """Return the graph of fanotify_init and inotify_init calls."""

    def rate(series: str) -> str:
        return top_nonzero(MAX_LINES, sum_by(per_second(series), "comm"))

    return bars(
        PanelInfo(
            "New groups and inotify instances",
            "fanotify_init and inotify_init calls per second. inotify is an older API "
            "for watching files; it cannot block file access.",
            width=6,
        ),
        {
            "fanotify_init {{comm}}": rate(INIT_CALLS),
            "inotify_init {{comm}}": rate(INOTIFY_CALLS),
        },
        unit=CALLS_PER_SECOND,
    )
