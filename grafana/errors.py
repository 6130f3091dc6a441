"""The fourth row: errors over time, by errno and by caller."""

from __future__ import annotations

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Panel

from grafana.panel_base import About
from grafana.panels import bars
from grafana.promql import busiest, per_second, total, with_errno
from grafana.selectors import (
    CALLS_PER_SECOND,
    ERRORS,
    INIT_ERRORS,
    INOTIFY_ERRORS,
    LINES,
)


def panels() -> list[Builder[Panel]]:
    """Return the panels, from left to right and top to bottom."""
    return [by_errno(), by_caller(), of_init()]


def rate(series: str, by: str) -> str:
    """Return the rate of errors by labels of which one is errno."""
    return busiest(LINES, with_errno(total(per_second(series), by)))


def by_errno() -> Builder[Panel]:
    """Return fanotify_mark errors by errno."""
    return bars(
        About(
            "fanotify_mark errors, by errno",
            "Refused calls per second. ENOSPC: a user has no marks left. EPERM: a wide "
            "mark without CAP_SYS_ADMIN. EINVAL at start: a program tries what the "
            "kernel can do. All are in 'fanotify_mark, explained', linked at the top.",
            runbooks=("FanotifyMarkLimitReached",),
        ),
        {"{{errno}}": rate(ERRORS, "errno")},
        unit=CALLS_PER_SECOND,
    )


def by_caller() -> Builder[Panel]:
    """Return fanotify_mark errors by caller."""
    return bars(
        About(
            "fanotify_mark errors, by caller",
            "Refused calls per second. What a program was refused it does not watch.",
            runbooks=("FanotifyErrorRatioHigh",),
        ),
        {"{{comm}} {{errno}}": rate(ERRORS, "comm, errno")},
        unit=CALLS_PER_SECOND,
    )


def of_init() -> Builder[Panel]:
    """Return errors of the calls that open groups."""
    return bars(
        About(
            "Errors of fanotify_init and inotify_init",
            "Calls per second that got no group, and no inotify instance. EMFILE: the "
            "user has none left, or the process has too many open files.",
            runbooks=("FanotifyGroupLimitReached",),
        ),
        {
            "fanotify_init {{comm}} {{errno}}": rate(INIT_ERRORS, "comm, errno"),
            "inotify_init {{comm}} {{errno}}": rate(INOTIFY_ERRORS, "comm, errno"),
        },
        unit=CALLS_PER_SECOND,
    )
