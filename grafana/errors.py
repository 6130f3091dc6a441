"""Seventh row of the dashboard: errors over time, and calls that do not return."""

from __future__ import annotations

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Panel

from grafana.panel_base import PanelInfo
from grafana.panels import bars, lines
from grafana.promql import (
    CALLER_MATCHERS,
    name_missing_errno,
    per_second,
    select,
    sum_by,
    top_nonzero,
)
from grafana.selectors import (
    CALLS_PER_SECOND,
    ERRORS,
    INIT_ERRORS,
    INOTIFY_ERRORS,
    MAX_LINES,
)


def panels() -> list[Builder[Panel]]:
    """Return the panels, from left to right and top to bottom."""
    return [by_errno(), by_caller(), init_errors(), calls_in_progress()]


def error_rate(series: str, labels: str) -> str:
    """Return the rate of errors by *labels*, which include errno."""
    return top_nonzero(
        MAX_LINES, name_missing_errno(sum_by(per_second(series), labels))
    )


def by_errno() -> Builder[Panel]:
    """Return the graph of fanotify_mark errors by errno."""
    return bars(
        PanelInfo(
            "fanotify_mark errors by errno",
            "Failed calls per second. ENOSPC: the user has reached the limit of marks. "
            "EPERM: a mark on a mount or filesystem without CAP_SYS_ADMIN. EINVAL when "
            "a program starts: usually a test of what the kernel supports. The page "
            "'fanotify_mark, explained', linked at the top, lists all errors.",
            runbooks=("FanotifyLimitReached",),
        ),
        {"{{errno}}": error_rate(ERRORS, "errno")},
        unit=CALLS_PER_SECOND,
    )


def by_caller() -> Builder[Panel]:
    """Return the graph of fanotify_mark errors by caller."""
    return bars(
        PanelInfo(
            "fanotify_mark errors by caller",
            "Failed calls per second. A program does not receive events for an object "
            "that it could not mark.",
            runbooks=("FanotifyErrorRatioHigh",),
        ),
        {"{{comm}} {{errno}}": error_rate(ERRORS, "comm, errno")},
        unit=CALLS_PER_SECOND,
    )


def init_errors() -> Builder[Panel]:
    """Return the graph of fanotify_init and inotify_init errors."""
    return bars(
        PanelInfo(
            "Errors of fanotify_init and inotify_init",
            "Failed calls per second. EMFILE: the user has reached the limit of groups "
            "or inotify instances, or the process has too many open files.",
            runbooks=("FanotifyLimitReached", "InotifyLimitReached"),
        ),
        {
            "fanotify_init {{comm}} {{errno}}": error_rate(INIT_ERRORS, "comm, errno"),
            "inotify_init {{comm}} {{errno}}": error_rate(
                INOTIFY_ERRORS, "comm, errno"
            ),
        },
        unit=CALLS_PER_SECOND,
    )


def calls_in_progress() -> Builder[Panel]:
    """Return the graph of fanotify_mark calls that do not return."""
    threads = select("fanotify_mark_calls_in_progress", CALLER_MATCHERS)
    return lines(
        PanelInfo(
            "fanotify_mark calls that do not return",
            "Threads that have been inside one call for over 10 seconds: their "
            "filesystem does not answer, as NFS without its server. Such a thread "
            "marks nothing else.",
            runbooks=("FanotifyMarkStuck",),
            width=24,
        ),
        {"{{comm}}": top_nonzero(MAX_LINES, sum_by(threads, "comm"))},
        unit=units.LocaleFormat,
    )
