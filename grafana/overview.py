"""
The first row, which fits on a screen: who, what, did it work, is a host in danger.

Panels about danger leave out the variables for caller and mark type: who looks at one
program must not be told that all is well.
"""

from __future__ import annotations

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Panel

from grafana.panel_base import RED, YELLOW, About
from grafana.panels import bars, gauges, numbers
from grafana.promql import (
    HOST,
    RUNS,
    SCANNED,
    busiest,
    counted,
    most,
    or_zero,
    per_second,
    select,
    total,
    with_errno,
)
from grafana.selectors import (
    BLOCKING_MARKS,
    CALLS,
    CALLS_PER_SECOND,
    ERRORS,
    LINES,
    MAP_FULL,
    MAP_KEYS,
    NEAR,
    ROWS,
    UNSEEN,
    USER_GROUPS,
    USER_MARKS,
)
from grafana.tables import Column, calls_and_refused, listing


ERRNOS = {
    "EACCES": "EACCES: may not read it",
    "EBADF": "EBADF: descriptor is not open",
    "EINVAL": "EINVAL: unknown flags or mask, or not together",
    "ENOENT": "ENOENT: no such file or mark",
    "ENOSPC": "ENOSPC: user has no marks left",
    "EPERM": "EPERM: needs CAP_SYS_ADMIN",
}
"""The errors that one meets, in words; docs/fanotify_mark.md has all of them."""


def panels() -> list[Builder[Panel]]:
    """Return the panels, from left to right and top to bottom."""
    return [
        can_hang(),
        limits(),
        refused_at_limits(),
        trust(),
        who(),
        how_often(),
        who_can_hang(),
        why_refused(),
    ]


def can_hang() -> Builder[Panel]:
    """Return how many programs can block file access on the worst host."""
    programs = f"count by (job, instance, comm) ({BLOCKING_MARKS})"
    return numbers(
        About(
            "Can a host hang?",
            "Programs that hold blocking marks now, on the host that has most of them. "
            "While such a program does not answer, whoever opens a marked file waits. "
            "One is usual with antivirus; two can wait for each other, and the host "
            "hangs. All callers and mark types, whatever is chosen above. No data: the "
            "last look for groups failed.",
            width=4,
            height=5,
            runbooks=(
                "FanotifyMultipleBlockingProcesses",
                "FanotifyNewBlockingProcess",
            ),
        ),
        {
            "programs can block it": or_zero(
                most(f"count by (job, instance) ({programs})"), SCANNED
            )
        },
        levels={1: YELLOW, 2: RED},
    )


def limits() -> Builder[Panel]:
    """Return how near the fullest user and map are to their limits."""
    return gauges(
        About(
            "Is a limit near?",
            "The fullest of each, over all chosen hosts: marks and groups of one user, "
            "of what the kernel lets a user have (/proc/sys/fs/fanotify), and keys in "
            "a map of the exporter. At 100 % the kernel refuses marks with ENOSPC and "
            "groups with EMFILE; the exporter still counts, but no longer says who.",
            width=6,
            height=5,
            runbooks=(
                "FanotifyMarksNearLimit",
                "FanotifyGroupsNearLimit",
                "FanotifyExporterMapNearFull",
            ),
        ),
        {
            "marks of a user": or_zero(most(USER_MARKS), SCANNED),
            "groups of a user": or_zero(most(USER_GROUPS), SCANNED),
            "map of the exporter": most(MAP_KEYS),
        },
        levels={NEAR: YELLOW, 0.95: RED},
    )


def refused_at_limits() -> Builder[Panel]:
    """Return the calls refused because a limit was reached."""
    marks = select("fanotify_mark_errors_total", HOST, 'errno="ENOSPC"')
    groups = select("fanotify_init_errors_total", HOST, 'errno="EMFILE"')
    return numbers(
        About(
            "Was a limit hit?",
            "Calls that the kernel refused in the time shown because a limit was "
            "reached: what could not be marked is not watched. EMFILE can also mean "
            "that the process has too many open files. All callers.",
            width=5,
            height=5,
            runbooks=("FanotifyMarkLimitReached", "FanotifyGroupLimitReached"),
        ),
        {
            "marks refused (ENOSPC)": or_zero(total(counted(marks)), RUNS),
            "groups refused (EMFILE)": or_zero(total(counted(groups)), RUNS),
        },
        levels={1: RED},
    )


def trust() -> Builder[Panel]:
    """Return what keeps the counts from being complete."""
    probes = select("fanotify_exporter_probe_attached", HOST)
    return numbers(
        About(
            "Are the counts complete?",
            "Four zeros: every call was seen and has its caller's name. An exporter "
            "that is down counts nothing, and a probe that is off sees nothing. Unseen "
            "calls were missed by a probe, those without a name found the exporter's "
            "map full, both in the time shown.",
            width=9,
            height=5,
            runbooks=(
                "FanotifyExporterDown",
                "FanotifyExporterProbeNotAttached",
                "FanotifyExporterCallsLost",
            ),
        ),
        {
            "exporters down": total(f"1 - up{{{HOST}}}"),
            "probes off": total(f"1 - {probes}"),
            "calls unseen": total(counted(UNSEEN)),
            "calls without a name": total(counted(MAP_FULL)),
        },
        levels={1: RED},
    )


def who() -> Builder[Panel]:
    """Return calls and errors by caller and what it asks for."""
    key = "comm, action, mark_type, mask"
    return listing(
        About(
            "Who puts marks on what, and does it work?",
            "fanotify_mark calls in the time shown. Object: what was marked; a mark on "
            "a filesystem or mount covers all its files. Events: what the caller wants "
            "to hear of; FAN_..._PERM and FAN_PRE_ACCESS let it block. Refused: how "
            "many of the calls failed. Click on a caller to see it alone. [other: map "
            "full] and [other: not seen] are calls whose caller the exporter does not "
            "know.",
            width=15,
            height=9,
            runbooks=("FanotifyErrorRatioHigh", "FanotifyUnexpectedWideMark"),
        ),
        {"comm": "Caller", "action": "Action", "mark_type": "Object", "mask": "Events"},
        calls_and_refused(CALLS, ERRORS, key),
    )


def how_often() -> Builder[Panel]:
    """Return the rate of calls by caller."""
    return bars(
        About(
            "How often, by caller",
            "fanotify_mark calls per second, the failed ones among them. Most programs "
            "call only when they start. Bars without end are a program that walks a "
            "large tree, or loops.",
            width=9,
            height=9,
            runbooks=("FanotifyMarkStorm",),
        ),
        {"{{comm}}": busiest(LINES, total(per_second(CALLS), "comm"))},
        unit=CALLS_PER_SECOND,
    )


def who_can_hang() -> Builder[Panel]:
    """Return the holders of blocking marks by host."""
    return listing(
        About(
            "Who can hang which host?",
            "Programs that hold blocking marks now. Empty: no program has any. All "
            "callers and mark types, whatever is chosen above.",
            width=12,
            height=7,
            runbooks=("FanotifyMultipleBlockingProcesses", "FanotifyProtectorGone"),
        ),
        {"instance": "Host", "comm": "Program", "mark_type": "Object"},
        (Column("Blocking marks", total(BLOCKING_MARKS, "instance, comm, mark_type")),),
    )


def why_refused() -> Builder[Panel]:
    """Return errors by caller and errno."""
    key = "comm, action, mark_type, errno"
    return listing(
        About(
            "What was refused, and why?",
            "fanotify_mark calls that failed in the time shown. A few EINVAL when a "
            "program starts are normal: it tries what the kernel can do.",
            width=12,
            height=7,
            runbooks=("FanotifyErrorRatioHigh", "FanotifyMarkLimitReached"),
        ),
        {"comm": "Caller", "action": "Action", "mark_type": "Object", "errno": "Why"},
        (Column("Refused", busiest(ROWS, with_errno(total(counted(ERRORS), key)))),),
        texts=ERRNOS,
    )
