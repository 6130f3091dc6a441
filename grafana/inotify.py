"""Fifth row of the dashboard: inotify instances and watches, and their limits."""

from __future__ import annotations

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Panel

from grafana.panel_base import RED, YELLOW, PanelInfo
from grafana.panels import bars, lines, ratio_lines
from grafana.promql import (
    CALLER_MATCHERS,
    HOST_MATCHERS,
    max_by,
    name_missing_errno,
    per_second,
    select,
    sum_by,
    top,
    top_nonzero,
)
from grafana.selectors import (
    CALLS_PER_SECOND,
    MAX_LINES,
    MAX_ROWS,
    NEAR_LIMIT,
    USER_INSTANCES_USED,
    USER_WATCHES_USED,
)
from grafana.tables import Column, table_panel


def panels() -> list[Builder[Panel]]:
    """Return the panels, from left to right and top to bottom."""
    return [
        instances(),
        watches(),
        users(),
        limits(),
        used_instances(),
        used_watches(),
        added_watches(),
        refused_watches(),
    ]


def instances() -> Builder[Panel]:
    """Return the graph of existing instances by program."""
    existing = sum_by(select("inotify_instances", CALLER_MATCHERS), "instance, comm")
    return lines(
        PanelInfo(
            "inotify instances by program",
            "Instances that exist now, of the programs with most. A program needs one "
            "or a few; a line that only rises is a leak.",
            width=12,
        ),
        {"{{comm}} on {{instance}}": top(MAX_LINES, existing)},
        unit=units.LocaleFormat,
    )


def watches() -> Builder[Panel]:
    """Return the graph of existing watches by program."""
    existing = sum_by(select("inotify_watches", CALLER_MATCHERS), "instance, comm")
    return lines(
        PanelInfo(
            "inotify watches by program",
            "Watches that exist now, of the programs with most. A program that watches "
            "a tree needs one watch for each directory.",
            width=12,
        ),
        {"{{comm}} on {{instance}}": top(MAX_LINES, existing)},
        unit=units.LocaleFormat,
    )


def users() -> Builder[Panel]:
    """Return the table of instances and watches by user, and the used shares."""

    def by_user(expression: str) -> str:
        return top(MAX_ROWS, max_by(expression, "instance, uid"))

    def existing(family: str) -> str:
        return by_user(select(family, HOST_MATCHERS))

    levels = {NEAR_LIMIT: YELLOW, 0.95: RED}
    return table_panel(
        PanelInfo(
            "Users of inotify and their limits",
            "Instances and watches that each user has now, and the used share of the "
            "user's limits, which all programs of the user share.",
            runbooks=("InotifyInstancesNearLimit", "InotifyWatchesNearLimit"),
            width=16,
        ),
        {"instance": "Host", "uid": "User"},
        (
            Column(
                "Instances used",
                by_user(USER_INSTANCES_USED),
                units.PercentUnit,
                levels,
            ),
            Column("Instances", existing("inotify_user_instances")),
            Column(
                "Watches used", by_user(USER_WATCHES_USED), units.PercentUnit, levels
            ),
            Column("Watches", existing("inotify_user_watches")),
        ),
    )


def limits() -> Builder[Panel]:
    """Return the table of the inotify limits of each host."""
    families = {
        "Instances": "inotify_user_instances_limit",
        "Watches": "inotify_user_watches_limit",
        "Queue": "inotify_queued_events_limit",
    }
    return table_panel(
        PanelInfo(
            "Limits of inotify by host",
            "From /proc/sys/fs/inotify. Instances and Watches: maximum for each user. "
            "Queue: maximum number of events that wait in one instance.",
        ),
        {"instance": "Host"},
        [
            Column(heading, max_by(select(family, HOST_MATCHERS), "instance"))
            for heading, family in families.items()
        ],
    )


def used_instances() -> Builder[Panel]:
    """Return the graph of each user's share of the limit of instances."""
    return ratio_lines(
        PanelInfo(
            "Use of the instance limit by user",
            "The users nearest to the limit, on all selected hosts. At 100 %, "
            'inotify_init fails with EMFILE: "too many open files".',
            runbooks=("InotifyInstancesNearLimit",),
            width=12,
        ),
        {"uid {{uid}} on {{instance}}": top(MAX_LINES, USER_INSTANCES_USED)},
        "fanotify_threshold:inotify_user_instances:ratio",
    )


def used_watches() -> Builder[Panel]:
    """Return the graph of each user's share of the limit of watches."""
    return ratio_lines(
        PanelInfo(
            "Use of the watch limit by user",
            "The users nearest to the limit, on all selected hosts. At 100 %, "
            'inotify_add_watch fails with ENOSPC: "no space left on device".',
            runbooks=("InotifyWatchesNearLimit",),
            width=12,
        ),
        {"uid {{uid}} on {{instance}}": top(MAX_LINES, USER_WATCHES_USED)},
        "fanotify_threshold:inotify_user_watches:ratio",
    )


def added_watches() -> Builder[Panel]:
    """Return the graph of inotify_add_watch calls by caller."""
    calls = per_second(select("inotify_add_watch_calls_total", CALLER_MATCHERS))
    return bars(
        PanelInfo(
            "inotify_add_watch calls by caller",
            "Calls per second, failed ones too. A program that starts to watch a tree "
            "makes one call for each directory.",
            width=12,
        ),
        {"{{comm}}": top_nonzero(MAX_LINES, sum_by(calls, "comm"))},
        unit=CALLS_PER_SECOND,
    )


def refused_watches() -> Builder[Panel]:
    """Return the graph of inotify_add_watch errors by caller."""
    errors = per_second(select("inotify_add_watch_errors_total", CALLER_MATCHERS))
    by_errno = name_missing_errno(sum_by(errors, "comm, errno"))
    return bars(
        PanelInfo(
            "inotify_add_watch errors by caller",
            "Failed calls per second. ENOSPC: the user has reached the limit of "
            "watches. ENOENT and EACCES are usual while a program walks a tree.",
            runbooks=("InotifyLimitReached",),
            width=12,
        ),
        {"{{comm}} {{errno}}": top_nonzero(MAX_LINES, by_errno)},
        unit=CALLS_PER_SECOND,
    )
