"""The report of ``check``: its facts, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from fanotify_exporter.commands.live_sources import LiveSource
from fanotify_exporter.commands.wait_source import WaitSource


# Where a list comes from, by the name of its source.
SOURCES = {
    "iterator": "listed by the kernel's iterator",
    "procfs": "read from /proc",
    "none": "not seen",
}


@dataclass(frozen=True, slots=True)
class Trial:
    """
    The result of attaching by one hook.

    Attributes:
        reason: why no attach method of the hook works; empty if one works.
        ways_tried: the number of attach methods that were tried, up to the first
            that worked.
        uid_reason: why uid 0, and not CAP_SYS_ADMIN, would decide which callers are
            privileged; empty if CAP_SYS_ADMIN would.
    """

    hook: str
    works: bool
    reason: str
    ways_tried: int
    sees_compat: bool
    slows_all_syscalls: bool
    sums_are_exact: bool
    uid_reason: str


@dataclass(frozen=True, slots=True)
class PermissionTrial:
    """
    The result of attaching the programs that count permission waits.

    Attributes:
        hook: the hook that would count permission waits, None if none would.
        reason: why no program would count; empty if one would.
        waiting_tasks: where the list of waiting tasks would come from, and why not from
            the kernel's iterator.
    """

    hook: str | None
    reason: str
    waiting_tasks: WaitSource


@dataclass(frozen=True, slots=True)
class Report:
    """
    The results of all checks.

    Attributes:
        permission: of serving with the same --bpf.hook.
        groups: where groups and inotify instances would be listed.
        chosen: the hook that serving with the same --bpf.hook would use, or None.
        advice: what to do if no hook can be used.
    """

    version: str
    revision: str
    kernel: str
    machine: str
    btf: bool
    tracefs: tuple[str, ...]
    lockdown: str
    capabilities: tuple[str, ...]
    bcc: str
    llvm: str
    trials: tuple[Trial, ...]
    permission: PermissionTrial
    groups: LiveSource
    chosen: str | None
    advice: str


def as_json(report: Report) -> str:
    """Return *report* as JSON."""
    return json.dumps(asdict(report), indent=2)


def as_text(report: Report) -> str:
    """Return *report* as a text of several lines."""
    return "\n".join(_lines(report))


def _lines(report: Report) -> Iterator[str]:
    yield f"exporter      {report.version}, revision {report.revision}"
    yield f"kernel        {report.kernel} {report.machine}"
    yield f"BTF           {'yes' if report.btf else 'no: fentry needs it'}"
    yield f"tracefs       {', '.join(report.tracefs) or 'not mounted'}"
    yield f"lockdown      {report.lockdown}"
    capabilities = ", ".join(report.capabilities)
    yield f"capabilities  {capabilities or 'none of those needed'}"
    yield f"bcc           {report.bcc}, LLVM {report.llvm}"
    yield ""
    head = f"{'hook':<16}{'works':<7}{'compat calls':<14}{'other system calls':<20}"
    yield f"{head}sums"
    for trial in report.trials:
        yield from _rows(trial)
    yield ""
    yield from _permission_lines(report.permission)
    yield from _source_lines("groups", report.groups)
    yield ""
    if report.chosen:
        yield f"The exporter would run, with {report.chosen}."
    else:
        yield f"The exporter would not run. {report.advice}"


def _permission_lines(trial: PermissionTrial) -> Iterator[str]:
    counted = f"counted by {trial.hook}" if trial.hook else "not counted"
    yield f"{'permission waits':<18}{counted}"
    if trial.reason:
        yield f"    {trial.reason}"
    yield from _source_lines("waiting tasks", trial.waiting_tasks)


def _source_lines(listed: str, source: LiveSource | WaitSource) -> Iterator[str]:
    yield f"{listed:<18}{SOURCES[source.name]}"
    if source.reason:
        yield f"    {source.reason}"


def _rows(trial: Trial) -> Iterator[str]:
    works = "yes" if trial.works else "no"
    compat = "counted" if trial.sees_compat else "missed"
    others = "slower" if trial.slows_all_syscalls else "as before"
    sums = "exact" if trial.sums_are_exact else "may be low"
    ways = f"{trial.ways_tried} ways tried" if trial.ways_tried > 1 else ""
    yield f"{trial.hook:<16}{works:<7}{compat:<14}{others:<20}{sums:<12}{ways}".rstrip()
    if trial.reason:
        yield f"    {trial.reason}"
    if trial.uid_reason:
        yield f"    uid 0 decides which callers are privileged: {trial.uid_reason}"
