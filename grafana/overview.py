"""
First row of the dashboard, one screen high: callers, errors, limits and blocking marks.

Panels about risks to the host ignore the variables for caller and mark type. Otherwise
the panels would show no risk while a harmless caller is selected.
"""

from __future__ import annotations

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Panel

from grafana.panel_base import RED, YELLOW, PanelInfo
from grafana.panels import bar_gauges, bars, stats
from grafana.promql import (
    BUILD_INFO,
    HOST_MATCHERS,
    LAST_SCAN,
    increase_in_range,
    max_by,
    name_missing_errno,
    or_zero,
    per_second,
    select,
    sum_by,
    top_nonzero,
)
from grafana.selectors import (
    BLOCKING_MARKS,
    CALLS,
    CALLS_PER_SECOND,
    ERRORS,
    MAP_FULL_CALLS,
    MAP_KEYS_USED,
    MAX_LINES,
    MAX_ROWS,
    MISSED_CALLS,
    NEAR_LIMIT,
    USER_GROUPS_USED,
    USER_INSTANCES_USED,
    USER_MARKS_USED,
    USER_WATCHES_USED,
)
from grafana.tables import Column, calls_and_errors, table_panel


def panels() -> list[Builder[Panel]]:
    """Return the panels, from left to right and top to bottom."""
    return [
        blocking_programs(),
        used_limits(),
        errors_at_limits(),
        completeness(),
        calls_by_caller(),
        call_rate(),
        blocking_marks(),
        errors_by_caller(),
    ]


def blocking_programs() -> Builder[Panel]:
    """Return the number of programs that can block file access on one host."""
    programs = f"count by (job, instance, comm) ({BLOCKING_MARKS})"
    return stats(
        PanelInfo(
            "Programs that can block",
            "Programs with blocking marks, on the host that has most of them. While "
            "such a program does not answer, every process that opens a marked file "
            "waits. One program is normal with antivirus software. Two programs can "
            "wait for each other, and then the host hangs. All callers and mark types, "
            "regardless of the variables. No data: the last scan for groups failed.",
            width=4,
            height=5,
            runbooks=(
                "FanotifyMultipleBlockingProcesses",
                "FanotifyNewBlockingProcess",
            ),
        ),
        {
            "on one host": or_zero(
                max_by(f"count by (job, instance) ({programs})"), LAST_SCAN
            )
        },
        levels={1: YELLOW, 2: RED},
    )


def used_limits() -> Builder[Panel]:
    """Return the highest used share of each limit."""
    return bar_gauges(
        PanelInfo(
            "Used share of limits",
            "The highest share on the selected hosts: what one user has against the "
            "kernel's limits (/proc/sys/fs/fanotify and inotify), and keys in one map "
            "of the exporter against its size. At 100 % the kernel rejects marks and "
            "watches with ENOSPC, and groups and instances with EMFILE. When its map "
            "is full, the exporter still counts calls, but no longer records their "
            "callers.",
            width=6,
            height=5,
            runbooks=(
                "FanotifyMarksNearLimit",
                "FanotifyGroupsNearLimit",
                "InotifyInstancesNearLimit",
                "InotifyWatchesNearLimit",
                "FanotifyExporterMapNearFull",
            ),
        ),
        {
            "marks of a user": or_zero(max_by(USER_MARKS_USED), LAST_SCAN),
            "groups of a user": or_zero(max_by(USER_GROUPS_USED), LAST_SCAN),
            "map of the exporter": max_by(MAP_KEYS_USED),
            "inotify instances": or_zero(max_by(USER_INSTANCES_USED), LAST_SCAN),
            "inotify watches": or_zero(max_by(USER_WATCHES_USED), LAST_SCAN),
        },
        levels={NEAR_LIMIT: YELLOW, 0.95: RED},
    )


def errors_at_limits() -> Builder[Panel]:
    """Return the number of calls that failed because a limit was reached."""
    marks = select("fanotify_mark_errors_total", HOST_MATCHERS, 'errno="ENOSPC"')
    groups = select("fanotify_init_errors_total", HOST_MATCHERS, 'errno="EMFILE"')
    watches = select("inotify_add_watch_errors_total", HOST_MATCHERS, 'errno="ENOSPC"')
    instances = select("inotify_init_errors_total", HOST_MATCHERS, 'errno="EMFILE"')
    return stats(
        PanelInfo(
            "Calls that failed at a limit",
            "Calls in the selected time range that failed because a limit was reached. "
            "The caller does not receive events for an object that it could not mark "
            "or watch. "
            "EMFILE can also mean that the process has too many open files. All "
            "callers.",
            width=5,
            height=5,
            runbooks=(
                "FanotifyProtectorRefused",
                "FanotifyLimitReached",
                "InotifyLimitReached",
            ),
        ),
        {
            "marks (ENOSPC)": or_zero(sum_by(increase_in_range(marks)), BUILD_INFO),
            "groups (EMFILE)": or_zero(sum_by(increase_in_range(groups)), BUILD_INFO),
            "watches (ENOSPC)": or_zero(sum_by(increase_in_range(watches)), BUILD_INFO),
            "instances (EMFILE)": or_zero(
                sum_by(increase_in_range(instances)), BUILD_INFO
            ),
        },
        levels={1: RED},
    )


def completeness() -> Builder[Panel]:
    """Return the numbers that are above 0 when counts are incomplete."""
    probes = select("fanotify_exporter_probe_attached", HOST_MATCHERS)
    return stats(
        PanelInfo(
            "Are the counts complete?",
            "If all four numbers are 0, every call was counted under its caller's "
            "name. An exporter that is down counts nothing, unless its programs are "
            "pinned. A detached probe counts nothing. Calls missed: a probe could not "
            "run. Calls without a caller: the exporter's map was full. The last two "
            "numbers are for the selected time range.",
            width=9,
            height=5,
            runbooks=(
                "FanotifyExporterDown",
                "FanotifyExporterProbeNotAttached",
                "FanotifyExporterCallsLost",
            ),
        ),
        {
            "exporters down": sum_by(f"1 - up{{{HOST_MATCHERS}}}"),
            "probes detached": sum_by(f"1 - {probes}"),
            "calls missed": sum_by(increase_in_range(MISSED_CALLS)),
            "calls without a caller": sum_by(increase_in_range(MAP_FULL_CALLS)),
        },
        levels={1: RED},
    )


def calls_by_caller() -> Builder[Panel]:
    """Return the table of calls and errors by caller, action, mark type and events."""
    key = "comm, action, mark_type, mask"
    return table_panel(
        PanelInfo(
            "fanotify_mark calls by caller and events",
            "Calls in the selected time range. Mark type: the kind of the marked "
            "object; a mark on a filesystem or mount covers all its files. Events: the "
            "mask; with FAN_..._PERM or FAN_PRE_ACCESS the caller can block access. "
            "Failed: the number of calls that returned an error. Click on a caller to "
            "see its calls only. [other: map full] and [other: not seen] are calls "
            "whose caller the exporter does not know.",
            width=15,
            height=9,
            runbooks=("FanotifyErrorRatioHigh", "FanotifyUnexpectedWideMark"),
        ),
        {
            "comm": "Caller",
            "action": "Action",
            "mark_type": "Mark type",
            "mask": "Events",
        },
        calls_and_errors(CALLS, ERRORS, key),
    )


def call_rate() -> Builder[Panel]:
    """Return the graph of calls by caller."""
    return bars(
        PanelInfo(
            "fanotify_mark call rate by caller",
            "Calls per second, including failed calls. Most programs call "
            "fanotify_mark only when they start. Bars that do not end show a program "
            "that walks a large tree or runs in a loop.",
            width=9,
            height=9,
            runbooks=("FanotifyMarkStorm",),
        ),
        {"{{comm}}": top_nonzero(MAX_LINES, sum_by(per_second(CALLS), "comm"))},
        unit=CALLS_PER_SECOND,
    )


def blocking_marks() -> Builder[Panel]:
    """Return the table of blocking marks by host and program."""
    marks = sum_by(BLOCKING_MARKS, "instance, comm, mark_type")
    return table_panel(
        PanelInfo(
            "Blocking marks by host and program",
            "Programs that have blocking marks now. An empty table means that no "
            "program has any. All callers and mark types, regardless of the variables.",
            width=12,
            height=7,
            runbooks=("FanotifyMultipleBlockingProcesses", "FanotifyProtectorGone"),
        ),
        {"instance": "Host", "comm": "Program", "mark_type": "Mark type"},
        (Column("Blocking marks", marks),),
    )


def errors_by_caller() -> Builder[Panel]:
    """Return the table of errors by caller and errno."""
    errors = sum_by(increase_in_range(ERRORS), "comm, action, mark_type, errno")
    return table_panel(
        PanelInfo(
            "Failed fanotify_mark calls by caller and errno",
            "Failed calls in the selected time range. A few EINVAL when a program "
            "starts are normal: programs test what the kernel supports.",
            width=12,
            height=7,
            runbooks=("FanotifyErrorRatioHigh", "FanotifyLimitReached"),
        ),
        {
            "comm": "Caller",
            "action": "Action",
            "mark_type": "Mark type",
            "errno": "Error",
        },
        (Column("Failed", top_nonzero(MAX_ROWS, name_missing_errno(errors))),),
    )
