"""The third row: blocking marks over time, who asks for them, who takes marks away."""

from __future__ import annotations

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Panel

from grafana.panel_base import About
from grafana.panels import bars, lines
from grafana.promql import HOST, busiest, per_second, select, top, total
from grafana.selectors import BLOCKING_MARKS, CALLS_PER_SECOND, LINES


def panels() -> list[Builder[Panel]]:
    """Return the panels, from left to right and top to bottom."""
    return [existing(), asked(), taken_away()]


def existing() -> Builder[Panel]:
    """Return the blocking marks of each program on each host."""
    programs = total(BLOCKING_MARKS, "instance, comm")
    return lines(
        About(
            "Blocking marks that exist, by program",
            "A program that is stuck or slow while it has a line makes others wait. A "
            "line that ends: its protection is gone. All callers.",
            runbooks=("FanotifyMultipleBlockingProcesses", "FanotifyProtectorGone"),
        ),
        {"{{comm}} on {{instance}}": top(LINES, programs)},
        unit=units.LocaleFormat,
    )


def asked() -> Builder[Panel]:
    """Return the rate of calls that ask for an event that blocks."""
    calls = select(
        "fanotify_mark_mask_bit_calls_total",
        HOST,
        'action="add"',
        'bit=~"FAN_.+_PERM|FAN_PRE_ACCESS"',
    )
    return bars(
        About(
            "Calls that ask to block",
            "fanotify_mark calls that add an event on which the caller is asked, also "
            "those of programs too short-lived to be seen in /proc, and calls that "
            "failed. All callers.",
            runbooks=("FanotifyNewBlockingProcess",),
        ),
        {"{{comm}}, {{bit}}": busiest(LINES, total(per_second(calls), "comm, bit"))},
        unit=CALLS_PER_SECOND,
    )


def taken_away() -> Builder[Panel]:
    """Return the rate of calls that remove or flush marks."""
    calls = select("fanotify_mark_calls_total", HOST, 'action=~"remove|flush"')
    by_caller = total(per_second(calls), "comm, action")
    return bars(
        About(
            "Calls that take marks away",
            "fanotify_mark calls that remove a mark, or flush all of a group. From a "
            "program that protects the host: the protection ends. All callers.",
            runbooks=("FanotifyProtectionRemoved",),
        ),
        {"{{comm}}, {{action}}": busiest(LINES, by_caller)},
        unit=CALLS_PER_SECOND,
    )
