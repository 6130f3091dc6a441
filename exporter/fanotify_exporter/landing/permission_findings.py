"""Findings about tasks that wait for permission listeners, and about listeners."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal

from fanotify_exporter.landing.finding import MAX_NAMES, Finding
from fanotify_exporter.landing.formatting import format_count, format_duration
from fanotify_exporter.landing.summary import (
    PermissionFigures,
    Summary,
    WaitFigures,
)


# A wait of this length is a finding, in seconds.
LONG_SECONDS: Final = 10.0

# A wait of this length is a danger, in seconds. A listener of class pre_content may
# fetch a file's content over the network before it answers. The alert
# FanotifyPermissionStall uses the same thresholds.
STALL_SECONDS: Final = 30.0
FETCH_STALL_SECONDS: Final = 300.0

# How the names of the probes begin that do not count calls.
PERMISSION_PROBES: Final = "permission_"

# What is not counted while a probe is not attached.
UNCOUNTED: Final = {
    "permission_wait": "Permission waits",
    "permission_response": "Answers of permission listeners",
    "permission_group": "Permission listeners that close",
}

# The reason of fanotify_exporter_lost_calls_total for waits that were in progress when
# counting started.
BEFORE_COUNTING: Final = "no_begin"

# The family with a series for each listener that exists.
WAITING_FAMILY: Final = "fanotify_permission_waiting_tasks"

# How names begin that stand for several listeners or for an unknown listener.
NO_LISTENER_PREFIX: Final = "[other: "


def find_permission(summary: Summary) -> Iterator[Finding]:
    """Yield the findings about waits, deadlocks and unchecked accesses."""
    figures = summary.permission
    yield from _deadlocks(figures)
    yield from _stalls(figures)
    yield from _unchecked(summary)
    yield from _lost(summary)


def _deadlocks(figures: PermissionFigures) -> Iterator[Finding]:
    if not figures.deadlocked:
        return
    waits = deadlocked_pairs(figures.listener_waits)
    several = figures.deadlocked > 1
    yield Finding(
        "danger",
        f"{format_count(figures.deadlocked)} listeners wait for each other"
        if several
        else "A listener waits for itself",
        f"{'None of them answers' if several else 'It does not answer'} any more: "
        "accesses hang until one listener is killed. The kernel then allows all that "
        "wait for that listener.",
        tuple((comm, f"waits for {on}") for comm, on in waits[:MAX_NAMES]),
        others=len(waits) > MAX_NAMES,
        runbook="FanotifyPermissionDeadlock",
    )


def deadlocked_pairs(waits: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """
    Return the pairs of *waits* (a listener, and the one that it waits for) in a cycle.

    Names stand for listeners here, so two listeners of one name are one.
    """
    targets: dict[str, set[str]] = {}
    for comm, on in waits:
        targets.setdefault(comm, set()).add(on)

    def reaches(start: str, end: str) -> bool:
        seen, pending = {start}, [start]
        while pending:
            comm = pending.pop()
            if comm == end:
                return True
            new = targets.get(comm, set()) - seen
            seen |= new
            pending += new
        return False

    return [(comm, on) for comm, on in waits if reaches(on, comm)]


def _stalls(figures: PermissionFigures) -> Iterator[Finding]:
    long = [waits for waits in figures.waits if waits.oldest >= LONG_SECONDS]
    for waits in long[:MAX_NAMES]:
        yield _stall(waits)


def _stall(waits: WaitFigures) -> Finding:
    may_fetch = waits.group_class == "pre_content"
    is_stall = waits.oldest >= (FETCH_STALL_SECONDS if may_fetch else STALL_SECONDS)
    task = "task" if waits.waiting == 1 else "tasks"
    verb = "waits" if waits.waiting == 1 else "wait"
    subject = f"{format_count(waits.waiting)} {task} {verb} for a listener"
    age = f"the oldest for {format_duration(waits.oldest)}"
    return Finding(
        "danger" if is_stall else "note" if may_fetch else "warning",
        subject if waits.comm else f"{subject} that is not known, {age}",
        "The listener may fetch a file's content before it answers."
        if may_fetch
        else "Each of them hangs until the listener answers or is killed.",
        ((waits.comm, age),) if waits.comm else (),
        runbook="FanotifyPermissionStall",
    )


def _unchecked(summary: Summary) -> Iterator[Finding]:
    """Yield one finding about listeners that are gone, and one about the others."""
    listening = {waits.comm for waits in summary.permission.waits}
    is_known = WAITING_FAMILY in summary.families
    gone: dict[str, float] = {}
    others: dict[str, float] = {}
    for comm, number in summary.permission.unchecked.items():
        has_name = comm and not comm.startswith(NO_LISTENER_PREFIX)
        is_gone = is_known and has_name and comm not in listening
        (gone if is_gone else others)[comm or ""] = number
    if gone:
        yield _accesses("warning", gone, "No listener of that name exists now.")
    if others:
        # A note: after one restart of a busy listener this finding is permanent.
        yield _accesses("note", others, "A restart of a busy listener causes this.")


def _accesses(
    level: Literal["warning", "note"], numbers: Mapping[str, float], text: str
) -> Finding:
    named = sorted(
        ((comm, number) for comm, number in numbers.items() if comm),
        key=lambda item: item[1],
        reverse=True,
    )
    return Finding(
        level,
        f"{format_count(sum(numbers.values()), 'access', 'es')} went ahead unchecked "
        "because the listener was closed",
        f"{text} The count began when the exporter began to count.",
        tuple((comm, format_count(number)) for comm, number in named[:MAX_NAMES]),
        others=len(named) > MAX_NAMES,
        runbook="FanotifyAccessUnchecked",
    )


def _lost(summary: Summary) -> Iterator[Finding]:
    lost = {
        (probe, reason): number
        for (probe, reason), number in summary.lost.items()
        if probe.startswith(PERMISSION_PROBES) and reason != BEFORE_COUNTING
    }
    if lost:
        reasons = "; ".join(
            f"{format_count(number)} {probe} ({reason})"
            for (probe, reason), number in lost.items()
        )
        number = format_count(sum(lost.values()))
        yield Finding(
            "warning",
            f"{number} waits or answers not counted exactly",
            f"By probe and reason: {reasons}.",
            runbook="FanotifyExporterCallsLost",
        )
