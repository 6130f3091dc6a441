"""
Third row of the dashboard: queues of events, and what they lost.

The panels ignore the variable for the caller. Otherwise they would show no full queue
while a harmless caller is selected.
"""

from __future__ import annotations

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Panel

from grafana.panel_base import PanelInfo
from grafana.panels import lines, ratio_lines
from grafana.promql import (
    HOST_MATCHERS,
    max_by,
    per_second,
    select,
    sum_by,
    top,
    top_nonzero,
)
from grafana.selectors import MAX_LINES


RUNBOOK = "FanotifyQueueFilling"


def panels() -> list[Builder[Panel]]:
    """Return the panels, from left to right and top to bottom."""
    return [fill_ratio(), lengths(), overflows(), unanswered(), outcomes()]


def fill_ratio() -> Builder[Panel]:
    """Return the graph of the fullest queue of each program."""
    ratio = select("fanotify_queue_fill_ratio", HOST_MATCHERS)
    return ratio_lines(
        PanelInfo(
            "Fullest queue by program",
            "Length of the fullest queue of a program's groups, as a share of its "
            "limit. At 100 % the kernel drops events; if the program is a permission "
            "listener, the accesses are allowed unchecked. 0 for queues without a "
            "limit (FAN_UNLIMITED_QUEUE). No data: the exporter finds groups in /proc, "
            "which does not show queues. All callers.",
            width=6,
            runbooks=(RUNBOOK,),
        ),
        {"{{comm}} on {{instance}}": top(MAX_LINES, max_by(ratio, "instance, comm"))},
        "fanotify_threshold:queue_fill:ratio",
    )


def lengths() -> Builder[Panel]:
    """Return the graph of queued events by program."""
    length = select("fanotify_queue_length", HOST_MATCHERS)
    return lines(
        PanelInfo(
            "Events in queues by program",
            "Events that the kernel has queued and the program has not read, in all "
            "its groups together. A line that stays up is a program that is too slow "
            "or does not read. All callers.",
            width=6,
            runbooks=(RUNBOOK,),
        ),
        {"{{comm}} on {{instance}}": top(MAX_LINES, sum_by(length, "instance, comm"))},
        unit=units.LocaleFormat,
    )


def overflows() -> Builder[Panel]:
    """Return the graph of groups that lost events, by program."""
    pending = select("fanotify_queue_overflow_pending", HOST_MATCHERS)
    return lines(
        PanelInfo(
            "Groups with lost events by program",
            "Groups in which the kernel has dropped events, until the program has read "
            "the whole queue. A program that reads all between two scrapes is not "
            "seen here. All callers.",
            width=6,
            runbooks=(RUNBOOK,),
        ),
        {"{{comm}} on {{instance}}": top(MAX_LINES, sum_by(pending, "instance, comm"))},
        unit=units.LocaleFormat,
    )


def unanswered() -> Builder[Panel]:
    """Return the graph of events that listeners have read and not answered."""
    events = select("fanotify_unanswered_events", HOST_MATCHERS)
    return lines(
        PanelInfo(
            "Unanswered events by listener",
            "Permission events that the listener has read and not answered. For each "
            "of them a task waits. Tasks that wait for events which the listener has "
            "not read are in the row above. All callers.",
            width=6,
            runbooks=("FanotifyPermissionStall",),
        ),
        {
            "{{comm}}, {{class}} on {{instance}}": top(
                MAX_LINES, sum_by(events, "instance, comm, class")
            )
        },
        unit=units.LocaleFormat,
    )


def outcomes() -> Builder[Panel]:
    """Return the graph of events by listener and outcome."""
    events = select("fanotify_events_total", HOST_MATCHERS)
    return lines(
        PanelInfo(
            "Events by listener and outcome",
            "Events that the kernel queued, merged into a queued event, or dropped "
            "because the queue was full. No data: the exporter runs without "
            "--collector.events, whose programs run on every event. All callers.",
            width=24,
            runbooks=("FanotifyEventsDropped",),
        ),
        {
            "{{comm}}, {{outcome}} on {{instance}}": top_nonzero(
                MAX_LINES, sum_by(per_second(events), "instance, comm, outcome")
            )
        },
        unit=units.EventsPerSecond,
    )
