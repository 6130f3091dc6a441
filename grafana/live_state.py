"""Fourth row of the dashboard: existing marks and groups, and their limits."""

from __future__ import annotations

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Panel

from grafana.panel_base import RED, YELLOW, PanelInfo
from grafana.panels import lines, ratio_lines
from grafana.promql import (
    CALLER_MATCHERS,
    HOST_MATCHERS,
    MARK_MATCHERS,
    max_by,
    select,
    sum_by,
    top,
)
from grafana.selectors import (
    MAX_LINES,
    MAX_ROWS,
    NEAR_LIMIT,
    USER_GROUPS_USED,
    USER_MARKS_USED,
)
from grafana.tables import Column, table_panel


def panels() -> list[Builder[Panel]]:
    """Return the panels, from left to right and top to bottom."""
    return [
        marks(),
        groups(),
        users(),
        used_marks(),
        used_groups(),
        limits(),
    ]


def marks() -> Builder[Panel]:
    """Return the graph of existing marks by caller."""
    existing = sum_by(select("fanotify_marks", MARK_MATCHERS), "comm, mark_type")
    return lines(
        PanelInfo(
            "Existing marks by caller",
            "Marks that exist now, summed over the selected hosts. A line can end "
            "without a fanotify_mark call: the caller exited or closed its groups.",
        ),
        {"{{comm}}, {{mark_type}}": top(MAX_LINES, existing)},
        unit=units.LocaleFormat,
    )


def groups() -> Builder[Panel]:
    """Return the graph of existing groups by caller."""
    existing = sum_by(select("fanotify_groups", CALLER_MATCHERS), "comm")
    return lines(
        PanelInfo(
            "Existing groups by caller",
            "fanotify_init creates a group. A program needs one or a few groups; a "
            "line that only rises is a leak.",
        ),
        {"{{comm}}": top(MAX_LINES, existing)},
        unit=units.LocaleFormat,
    )


def users() -> Builder[Panel]:
    """Return the table of marks and groups by user, and the used share of limits."""

    def by_user(expression: str) -> str:
        return top(MAX_ROWS, max_by(expression, "instance, uid"))

    levels = {NEAR_LIMIT: YELLOW, 0.95: RED}
    return table_panel(
        PanelInfo(
            "Users and their limits",
            "Groups and marks that each user has now, and the used share of the user's "
            "limits. Marks in groups with FAN_UNLIMITED_MARKS are not included.",
            runbooks=("FanotifyMarksNearLimit", "FanotifyGroupsNearLimit"),
        ),
        {"instance": "Host", "uid": "User"},
        (
            Column("Groups used", by_user(USER_GROUPS_USED), units.PercentUnit, levels),
            Column("Groups", by_user(select("fanotify_user_groups", HOST_MATCHERS))),
            Column("Marks used", by_user(USER_MARKS_USED), units.PercentUnit, levels),
            Column("Marks", by_user(select("fanotify_user_marks", HOST_MATCHERS))),
        ),
    )


def used_marks() -> Builder[Panel]:
    """Return the graph of each user's share of the limit of marks."""
    return ratio_lines(
        PanelInfo(
            "Use of the mark limit by user",
            "The users nearest to the limit, on all selected hosts. At 100 %, adding a "
            "mark fails with ENOSPC. Marks in groups with FAN_UNLIMITED_MARKS are not "
            "included.",
            runbooks=("FanotifyMarksNearLimit",),
        ),
        {"uid {{uid}} on {{instance}}": top(MAX_LINES, USER_MARKS_USED)},
        "fanotify_threshold:user_marks:ratio",
    )


def used_groups() -> Builder[Panel]:
    """Return the graph of each user's share of the limit of groups."""
    return ratio_lines(
        PanelInfo(
            "Use of the group limit by user",
            "The users nearest to the limit, on all selected hosts. At 100 %, "
            "fanotify_init fails with EMFILE. No flag exempts a group from the limit.",
            runbooks=("FanotifyGroupsNearLimit",),
        ),
        {"uid {{uid}} on {{instance}}": top(MAX_LINES, USER_GROUPS_USED)},
        "fanotify_threshold:user_groups:ratio",
    )


def limits() -> Builder[Panel]:
    """Return the table of the fanotify limits of each host."""
    families = {
        "Marks": "fanotify_user_marks_limit",
        "Groups": "fanotify_user_groups_limit",
        "Queue": "fanotify_queued_events_limit",
        "Watchdog": "fanotify_watchdog_timeout_seconds",
    }
    return table_panel(
        PanelInfo(
            "Limits by host",
            "From /proc/sys/fs/fanotify. Marks and Groups: maximum for each user. "
            "Queue: maximum number of events that wait in one group. Watchdog: number "
            "of seconds that a blocked access may wait before the kernel logs a "
            "warning (0: never; empty: the kernel is older than 6.18).",
        ),
        {"instance": "Host"},
        [
            Column(heading, max_by(select(family, HOST_MATCHERS), "instance"))
            for heading, family in families.items()
        ],
    )
