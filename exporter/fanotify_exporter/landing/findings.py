"""Findings: statements about a summary that the landing page shows at its top."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from fanotify_exporter.landing.finding import LEVELS, MAX_NAMES, Finding
from fanotify_exporter.landing.formatting import format_count
from fanotify_exporter.landing.permission_findings import (
    PERMISSION_PROBES,
    UNCOUNTED,
    find_permission,
)
from fanotify_exporter.landing.queues import EVENT_PROBE, find_queues
from fanotify_exporter.landing.summary import (
    GROUP_LIMIT,
    INSTANCE_LIMIT,
    MARK_LIMIT,
    WATCH_LIMIT,
    Summary,
)


# Share of a limit, or of a BPF map, above which a finding warns. The alerts of
# prometheus/ use the same threshold.
NEAR_LIMIT = 0.8

# Reasons of fanotify_exporter_lost_calls_total that stand for lost fanotify calls.
# Other reasons also count other system calls.
LOST_REASONS = {
    "map_full": "the map was full",
    "recursion": "the kernel skipped the BPF program",
    "nmissed": "too many calls were in progress at the same time",
    "no_entry": "the entry was missed",
}


GOOD = Finding(
    "good",
    "No problems found",
    "No program holds blocking marks, no user is near a limit, and every call was "
    "counted under its caller.",
)


def find_all(summary: Summary) -> list[Finding]:
    """Return the findings about *summary*, most severe first; [GOOD] for none."""
    found = chain(
        find_permission(summary),
        find_queues(summary),
        _calls_in_progress(summary),
        _detached_probes(summary),
        _failed_collectors(summary),
        _users_near_limits(summary),
        _inotify_users_near_limits(summary),
        _full_maps(summary),
        _lost_calls(summary),
        _blocking_owners(summary),
        _missing_figures(summary),
    )
    return sorted(found, key=lambda finding: LEVELS.index(finding.level)) or [GOOD]


def missing_reason(summary: Summary, collector: str) -> str:
    """Return why *summary* has no figures of *collector*, "" if it has them."""
    if collector not in summary.collectors:
        return f"Not collected: the collector {collector} is off."
    if not summary.collectors[collector]:
        return f"Unknown: the collector {collector} failed. The log has the error."
    absence = summary.absences.get(collector)
    if absence and absence.family not in summary.families:
        return f"Unknown {absence.reason}."
    return ""


def _calls_in_progress(summary: Summary) -> Iterator[Finding]:
    threads = summary.calls_in_progress
    if threads:
        number = sum(threads.values())
        names = [(comm, format_count(each, "thread")) for comm, each in threads.items()]
        yield Finding(
            "warning",
            f"{format_count(number, 'fanotify_mark call')} "
            f"{'does' if number == 1 else 'do'} not return",
            "They wait for over 10 seconds already, most likely for a filesystem that "
            "does not answer. Their threads mark nothing else.",
            tuple(names[:MAX_NAMES]),
            others=len(names) > MAX_NAMES,
            runbook="FanotifyMarkStuck",
        )


def _detached_probes(summary: Summary) -> Iterator[Finding]:
    for probe in summary.probes:
        if not probe.attached:
            subject = UNCOUNTED.get(probe.syscall, f"Calls of {probe.syscall}")
            yield Finding(
                "danger",
                f"Not attached: {probe.attach_point}",
                f"{subject} are not counted while kernel.ftrace_enabled is 0.",
                runbook="FanotifyExporterProbeNotAttached",
            )


def _failed_collectors(summary: Summary) -> Iterator[Finding]:
    for name, succeeded in summary.collectors.items():
        if not succeeded:
            yield Finding(
                "danger",
                f"Failed: the collector {name}",
                "This page and the metrics lack its figures. The log has the error.",
                runbook="FanotifyExporterCollectorFailed",
            )


def _users_near_limits(summary: Summary) -> Iterator[Finding]:
    limits = summary.limits
    for user in summary.users.rows:
        if user.share_of_groups > NEAR_LIMIT:
            yield _near_limit(user.uid, user.groups, limits[GROUP_LIMIT], _GROUPS)
        if user.share_of_marks > NEAR_LIMIT:
            yield _near_limit(user.uid, user.marks, limits[MARK_LIMIT], _MARKS)


def _inotify_users_near_limits(summary: Summary) -> Iterator[Finding]:
    limits = summary.inotify.limits
    for user in summary.inotify.users.rows:
        if user.share_of_instances > NEAR_LIMIT:
            limit = limits[INSTANCE_LIMIT]
            yield _near_limit(user.uid, user.instances, limit, _INSTANCES)
        if user.share_of_watches > NEAR_LIMIT:
            limit = limits[WATCH_LIMIT]
            yield _near_limit(user.uid, user.watches, limit, _WATCHES)


# The limited thing: its singular, the suffix of its plural, and the runbook.
_GROUPS = "group", "s", "FanotifyGroupsNearLimit"
_MARKS = "mark", "s", "FanotifyMarksNearLimit"
_INSTANCES = "inotify instance", "s", "InotifyInstancesNearLimit"
_WATCHES = "inotify watch", "es", "InotifyWatchesNearLimit"


def _near_limit(
    uid: str, number: float, limit: float, of: tuple[str, str, str]
) -> Finding:
    noun, plural_suffix, runbook = of
    subject = f"User {uid} has {format_count(number)} of "
    subject += format_count(limit, noun, plural_suffix)
    if number >= limit:
        text = f"The kernel refuses another {noun}."
        return Finding("danger", subject, text, runbook=runbook)
    text = f"The kernel refuses more than {format_count(limit)}."
    return Finding("warning", subject, text, runbook=runbook)


# By map: what is missing while the map is full, what to do, and the runbook.
_NO_CALLER = "In a full map, calls of new callers are counted without their caller."
FULL_MAPS = {
    "calls_privileged": (
        f"{_NO_CALLER} Raise --bpf.max-entries.",
        "FanotifyExporterMapNearFull",
    ),
    "calls_user": (
        f"{_NO_CALLER} Raise --bpf.max-user-entries.",
        "FanotifyExporterUserMapNearFull",
    ),
    "inotify_add_watch": (
        "In a full map, watches of new callers are counted without their caller.",
        "FanotifyExporterUserMapNearFull",
    ),
    "permission_groups": (
        "In a full map, waits for new listeners are counted without their listener.",
        "",
    ),
    "permission_waits": (
        "In a full map, new waits are counted without their length.",
        "",
    ),
    "event_groups": (
        "In a full map, events of new groups are counted without their listener.",
        "",
    ),
}


def _full_maps(summary: Summary) -> Iterator[Finding]:
    for name, (entries, maximum) in summary.maps.items():
        if entries > NEAR_LIMIT * maximum:
            text, runbook = FULL_MAPS[name]
            yield Finding(
                "warning",
                f"The map {name} has {format_count(entries)} of "
                f"{format_count(maximum)} entries",
                text,
                runbook=runbook,
            )


def _lost_calls(summary: Summary) -> Iterator[Finding]:
    lost = {
        (probe, reason): number
        for (probe, reason), number in summary.lost.items()
        if reason in LOST_REASONS
        and not probe.startswith((PERMISSION_PROBES, EVENT_PROBE))
    }
    if lost:
        reasons = "; ".join(
            f"{format_count(number)} of {call}, {LOST_REASONS[reason]}"
            for (call, reason), number in lost.items()
        )
        yield Finding(
            "warning",
            f"{format_count(sum(lost.values()), 'call')} without a caller",
            f"The exporter counted them, but not under their caller: {reasons}.",
            runbook="FanotifyExporterCallsLost",
        )


def _blocking_owners(summary: Summary) -> Iterator[Finding]:
    # A note and no warning: on a host with an antivirus this finding is permanent.
    owners = [each for each in summary.owners.rows if each.blocking]
    names = [
        (each.comm, format_count(each.blocking, "blocking mark")) for each in owners
    ]
    if names:
        yield Finding(
            "note",
            "Programs that can block file access",
            "A process that accesses a file with a blocking mark waits until the "
            "program answers.",
            tuple(names[:MAX_NAMES]),
            others=len(names) > MAX_NAMES,
        )


def _missing_figures(summary: Summary) -> Iterator[Finding]:
    subjects = {
        "groups": "Programs that can block file access are unknown",
        "limits": "Distance to the limits is unknown",
        "permission": "Tasks that wait for permission listeners are unknown",
    }
    for collector, subject in subjects.items():
        reason = missing_reason(summary, collector)
        if reason and collector in summary.absences:
            yield Finding("note", subject, reason)
    if summary.unreadable:
        processes = format_count(summary.unreadable, "process", "es")
        yield Finding(
            "note",
            f"{processes} could not be inspected",
            "Groups and inotify instances only "
            f"{'it holds' if summary.unreadable == 1 else 'they hold'} are missing.",
        )
