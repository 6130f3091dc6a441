"""The second row: marks and groups that exist now, against the limits."""

from __future__ import annotations

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Panel

from grafana.panel_base import RED, YELLOW, About
from grafana.panels import lines, shares
from grafana.promql import CALLER, HOST, MARK, most, select, top, total
from grafana.selectors import LINES, NEAR, ROWS, USER_GROUPS, USER_MARKS
from grafana.tables import Column, listing


def panels() -> list[Builder[Panel]]:
    """Return the panels, from left to right and top to bottom."""
    return [
        marks(),
        groups(),
        users(),
        share_of_marks(),
        share_of_groups(),
        limits(),
    ]


def marks() -> Builder[Panel]:
    """Return the marks of each caller."""
    existing = total(select("fanotify_marks", MARK), "comm, mark_type")
    return lines(
        About(
            "Marks that exist, by caller",
            "As /proc shows them, sums over the chosen hosts. A caller whose line ends "
            "has ended or closed its groups; that takes no fanotify_mark call.",
        ),
        {"{{comm}}, {{mark_type}}": top(LINES, existing)},
        unit=units.LocaleFormat,
    )


def groups() -> Builder[Panel]:
    """Return the groups of each caller."""
    existing = total(select("fanotify_groups", CALLER), "comm")
    return lines(
        About(
            "Groups that exist, by caller",
            "A group is what fanotify_init makes. A program needs one or a few; a line "
            "that only rises is a leak.",
        ),
        {"{{comm}}": top(LINES, existing)},
        unit=units.LocaleFormat,
    )


def users() -> Builder[Panel]:
    """Return what each user has, and of how much."""

    def by_user(expression: str) -> str:
        return top(ROWS, most(expression, "instance, uid"))

    near = {NEAR: YELLOW, 0.95: RED}
    return listing(
        About(
            "Users and their limits",
            "What each user has now, and how much that is of what a user may have. "
            "Marks: only those that count against the limit.",
            runbooks=("FanotifyMarksNearLimit", "FanotifyGroupsNearLimit"),
        ),
        {"instance": "Host", "uid": "User"},
        (
            Column("Groups used", by_user(USER_GROUPS), units.PercentUnit, near),
            Column("Groups", by_user(select("fanotify_user_groups", HOST))),
            Column("Marks used", by_user(USER_MARKS), units.PercentUnit, near),
            Column("Marks", by_user(select("fanotify_user_marks", HOST))),
        ),
    )


def share_of_marks() -> Builder[Panel]:
    """Return how near users were to the limit of marks."""
    return shares(
        About(
            "Share of a user's marks",
            "The fullest users of all hosts. At 100 %, adding a mark fails with "
            "ENOSPC. Marks in groups made with FAN_UNLIMITED_MARKS do not count.",
            runbooks=("FanotifyMarksNearLimit",),
        ),
        {"uid {{uid}} on {{instance}}": top(LINES, USER_MARKS)},
        "fanotify_threshold:user_marks:ratio",
    )


def share_of_groups() -> Builder[Panel]:
    """Return how near users were to the limit of groups."""
    return shares(
        About(
            "Share of a user's groups",
            "The fullest users of all hosts. At 100 %, fanotify_init fails with "
            "EMFILE. No flag lifts this limit.",
            runbooks=("FanotifyGroupsNearLimit",),
        ),
        {"uid {{uid}} on {{instance}}": top(LINES, USER_GROUPS)},
        "fanotify_threshold:user_groups:ratio",
    )


def limits() -> Builder[Panel]:
    """Return fanotify's limits as the hosts have them."""
    families = {
        "Marks": "fanotify_limit_user_marks",
        "Groups": "fanotify_limit_user_groups",
        "Queue": "fanotify_limit_queued_events",
        "Watchdog": "fanotify_watchdog_timeout_seconds",
    }
    return listing(
        About(
            "Limits of the hosts",
            "/proc/sys/fs/fanotify: marks and groups that one user may have, events "
            "that may wait in one group, and how long a blocked access may wait before "
            "the kernel logs it (0: never; empty: before Linux 6.18).",
        ),
        {"instance": "Host"},
        [
            Column(head, most(select(family, HOST), "instance"))
            for head, family in families.items()
        ],
    )
