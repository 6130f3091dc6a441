"""
Second row of the dashboard: who waits for permission, since when, and for whom.

Except for the heat map, the panels ignore the variable for the caller. Otherwise they
would show no wait while a caller is selected for whom nobody waits.
"""

from __future__ import annotations

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Panel

from grafana.panel_base import RED, PanelInfo
from grafana.panels import bars, heat_map, lines, stats
from grafana.promql import (
    CALLER_MATCHERS,
    HOST_MATCHERS,
    PERMISSION_START,
    increase_in_range,
    max_by,
    or_zero,
    per_second,
    quantile,
    select,
    sum_by,
    top,
    top_nonzero,
)
from grafana.selectors import MAX_LINES, MAX_ROWS
from grafana.tables import Column, table_panel


BUCKETS = "fanotify_permission_wait_seconds_bucket"
# The titles of the panels say of what.
PER_SECOND = "suffix:/s"
UNCHECKED = select("fanotify_unchecked_accesses_total", HOST_MATCHERS)


def panels() -> list[Builder[Panel]]:
    """Return the panels, from left to right and top to bottom."""
    return [
        dangers(),
        waiting_tasks(),
        oldest_wait(),
        lengths(),
        slow_waits(),
        answers(),
        without_answer(),
        unchecked(),
        listener_waits(),
    ]


def dangers() -> Builder[Panel]:
    """Return the numbers that are above 0 when a host hangs or is unprotected."""
    deadlocked = select("fanotify_permission_deadlocked_listeners", HOST_MATCHERS)
    return stats(
        PanelInfo(
            "Deadlocks and unchecked accesses",
            "Deadlocked listeners: programs that wait for each other, or for "
            "themselves, so that no task behind them can go on. Restart one of them. "
            "Unchecked accesses: accesses in the selected time range that went ahead "
            "because the listener was closed while they waited for its answer. All "
            "callers, regardless of the variables. No data: the exporter does not see "
            "waits on this kernel.",
            width=6,
            height=7,
            runbooks=("FanotifyPermissionDeadlock", "FanotifyAccessUnchecked"),
        ),
        {
            "deadlocked listeners": sum_by(deadlocked),
            "unchecked accesses": or_zero(
                sum_by(increase_in_range(UNCHECKED)), PERMISSION_START
            ),
        },
        levels={1: RED},
    )


def waiting_tasks() -> Builder[Panel]:
    """Return the graph of tasks that wait now, by listener."""
    tasks = select("fanotify_permission_waiting_tasks", HOST_MATCHERS)
    return lines(
        PanelInfo(
            "Waiting tasks by listener",
            "Threads that wait for the listener's answer at the time of the scrape. "
            "They are in state D and can only be killed. A line that stays up is a "
            "listener that does not keep up, or hangs. The landing page of the "
            "exporter names the tasks. All callers.",
            width=9,
            height=7,
            runbooks=("FanotifyPermissionStall",),
        ),
        {
            "{{comm}}, {{class}} on {{instance}}": top(
                MAX_LINES, sum_by(tasks, "instance, comm, class")
            )
        },
        unit=units.LocaleFormat,
    )


def oldest_wait() -> Builder[Panel]:
    """Return the graph of the longest wait that has not ended, by listener."""
    oldest = select("fanotify_permission_oldest_wait_seconds", HOST_MATCHERS)
    return lines(
        PanelInfo(
            "Oldest wait by listener",
            "How long the first of the waiting tasks has waited. While a listener "
            "hangs, its line rises by one second a second. Class content: a program "
            "decides about the access, within milliseconds. Class pre_content: a "
            "program fetches the file first, which may take long. All callers.",
            width=9,
            height=7,
            runbooks=("FanotifyPermissionStall",),
        ),
        {
            "{{comm}}, {{class}} on {{instance}}": top(
                MAX_LINES, max_by(oldest, "instance, comm, class")
            )
        },
        unit=units.Seconds,
    )


def lengths() -> Builder[Panel]:
    """Return the heat map of the lengths of ended waits."""
    waits = per_second(select(BUCKETS, CALLER_MATCHERS))
    return heat_map(
        PanelInfo(
            "Lengths of waits",
            "Ended waits per second by their length, of the listeners selected at the "
            "top as callers. A wait counts when it ends: a listener that hangs leaves "
            "the map empty, and fills its upper edge when it is closed.",
            width=14,
            runbooks=("FanotifyPermissionSlow",),
        ),
        {"{{le}}": sum_by(waits, "le")},
        unit=units.Seconds,
        cell_unit="suffix: waits/s",
    )


def slow_waits() -> Builder[Panel]:
    """Return the graph of the 99th percentile of waits, by listener."""
    by_listener = "le, instance, comm, class"
    buckets = sum_by(per_second(select(BUCKETS, HOST_MATCHERS)), by_listener)
    return lines(
        PanelInfo(
            "99th percentile of waits by listener",
            "One ended wait in a hundred was longer. The value is an estimate within a "
            "bucket of the histogram, and 30 s at most. All callers.",
            width=10,
            runbooks=("FanotifyPermissionSlow",),
        ),
        {
            "{{comm}}, {{class}} on {{instance}}": top_nonzero(
                MAX_LINES, quantile(0.99, buckets)
            )
        },
        unit=units.Seconds,
    )


def answers() -> Builder[Panel]:
    """Return the graph of answers by listener, response and errno."""
    responses = select("fanotify_permission_responses_total", HOST_MATCHERS)
    rates = sum_by(per_second(responses), "comm, response, errno")
    return bars(
        PanelInfo(
            "Answers by kind",
            "Answers per second that the kernel accepted. Many denials at once are an "
            "attack, or a bad update of signatures or rules. Only a listener of class "
            "pre_content can choose the errno. All callers.",
            width=7,
            runbooks=("FanotifyDenialsSurge",),
        ),
        {"{{comm}}: {{response}} {{errno}}": top_nonzero(MAX_LINES, rates)},
        unit=PER_SECOND,
    )


def without_answer() -> Builder[Panel]:
    """Return the graph of waits that ended without an answer."""
    waits = select("fanotify_permission_waits_total", HOST_MATCHERS, 'end!="answered"')
    rates = sum_by(per_second(waits), "comm, end")
    return bars(
        PanelInfo(
            "Waits that ended without an answer",
            "Per second. killed: a signal ended the waiting task. listener_closed: the "
            "listener ended or closed its group, and the access went ahead. "
            "unanswered: the kernel refused the access because it could make no "
            "descriptor for the listener, or allowed it because the queue was full. "
            "All callers.",
            width=6,
            runbooks=("FanotifyDenialsSurge", "FanotifyAccessUnchecked"),
        ),
        {"{{comm}}: {{end}}": top_nonzero(MAX_LINES, rates)},
        unit=PER_SECOND,
    )


def unchecked() -> Builder[Panel]:
    """Return the graph of accesses that went ahead unchecked."""
    rates = sum_by(per_second(UNCHECKED), "instance, comm, reason")
    return bars(
        PanelInfo(
            "Unchecked accesses by listener",
            "Accesses per second that the listener should have decided about and that "
            "went ahead without its answer. A few at the restart of a busy listener "
            "are normal. All callers.",
            width=6,
            runbooks=("FanotifyAccessUnchecked",),
        ),
        {
            "{{comm}} on {{instance}}: {{reason}}": top_nonzero(MAX_LINES, rates),
        },
        unit=PER_SECOND,
    )


def listener_waits() -> Builder[Panel]:
    """Return the table of listeners that wait for listeners."""
    edges = select("fanotify_permission_listener_waits", HOST_MATCHERS)
    return table_panel(
        PanelInfo(
            "Listeners that wait for listeners",
            "Listeners that wait for the answer of another, or for their own answer, "
            "now. Rows that close a circle are a deadlock if they stay. Not shown: a "
            "circle through a program that is no listener, such as a log daemon. All "
            "callers.",
            width=5,
            runbooks=("FanotifyPermissionDeadlock",),
        ),
        {"comm": "Listener", "on": "Waits for"},
        (Column("Number", top_nonzero(MAX_ROWS, sum_by(edges, "comm, on"))),),
    )
