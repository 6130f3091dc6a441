"""The fifth row: all that is known of the chosen callers."""

from __future__ import annotations

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Panel

from grafana.panel_base import About
from grafana.panels import bars
from grafana.promql import busiest, counted, per_second, total
from grafana.selectors import (
    BITS,
    CALLS,
    CALLS_PER_SECOND,
    ERRORS,
    INIT_CALLS,
    INIT_ERRORS,
    INOTIFY_CALLS,
    LINES,
    ROWS,
)
from grafana.tables import Column, calls_and_refused, listing


def panels() -> list[Builder[Panel]]:
    """Return the panels, from left to right and top to bottom."""
    return [every_call(), events(), opened(), openings()]


def every_call() -> Builder[Panel]:
    """Return each distinct call on each host."""
    key = "instance, comm, action, mark_type, flags, mask"
    return listing(
        About(
            "Every call it made",
            "fanotify_mark calls in the time shown, with all that the exporter knows "
            "of them. Choose a caller at the top, or click on one.",
            width=24,
            height=9,
        ),
        {
            "instance": "Host",
            "comm": "Caller",
            "action": "Action",
            "mark_type": "Object",
            "flags": "Flags",
            "mask": "Events",
        },
        calls_and_refused(CALLS, ERRORS, key),
    )


def events() -> Builder[Panel]:
    """Return the bits of the masks."""
    return listing(
        About(
            "Events it asked for",
            "fanotify_mark calls in the time shown whose mask had this bit; a call "
            "with three bits is in three rows.",
            width=7,
        ),
        {"action": "Action", "bit": "Event"},
        (Column("Calls", busiest(ROWS, total(counted(BITS), "action, bit"))),),
    )


def opened() -> Builder[Panel]:
    """Return fanotify_init calls by class and flags."""
    return listing(
        About(
            "Groups it opened",
            "fanotify_init calls in the time shown. Class content and pre_content let "
            "the group block; the flags say what else it may do.",
            width=11,
        ),
        {"comm": "Caller", "class": "Class", "flags": "Flags"},
        calls_and_refused(INIT_CALLS, INIT_ERRORS, "comm, class, flags"),
    )


def openings() -> Builder[Panel]:
    """Return when groups and inotify instances are opened."""

    def rate(series: str) -> str:
        return busiest(LINES, total(per_second(series), "comm"))

    return bars(
        About(
            "Groups and inotify instances it opens",
            "fanotify_init and inotify_init calls per second. inotify is the older way "
            "to watch files; it cannot block.",
            width=6,
        ),
        {
            "fanotify_init {{comm}}": rate(INIT_CALLS),
            "inotify_init {{comm}}": rate(INOTIFY_CALLS),
        },
        unit=CALLS_PER_SECOND,
    )
