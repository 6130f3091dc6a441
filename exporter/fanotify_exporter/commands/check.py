"""
Report what this host offers, and which hook the exporter would use.

The loader attaches the programs by each hook, exactly as it does for serving.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from fanotify_exporter import __version__
from fanotify_exporter.bpf.loaded import LoadedCalls
from fanotify_exporter.bpf.missed_runs import sums_are_exact
from fanotify_exporter.collectors.revision import read_revision
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader import run as loader
from fanotify_exporter.loader.attach_methods import ATTACH_METHODS
from fanotify_exporter.loader.methods import AttachMethod
from fanotify_exporter.options.flags import Build, hook_flag, sysfs_flag
from fanotify_exporter.options.model import CheckOptions
from fanotify_exporter.options.parser import Parser
from fanotify_exporter.procfs.capabilities import read_capabilities
from fanotify_exporter.procfs.mounts import read_mounted


@dataclass(frozen=True, slots=True)
class Attempts:
    """
    The attempts to attach by one hook.

    Attributes:
        methods: the attach methods that were tried.
        errors: the error of each method that failed.
        loaded: the programs of the last method, None if it failed too.
    """

    methods: tuple[AttachMethod, ...]
    errors: tuple[LoadError, ...]
    loaded: LoadedCalls | None


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
class Report:
    """
    The results of all checks.

    Attributes:
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
    chosen: str | None
    advice: str


def add_flags(parser: Parser) -> Build[CheckOptions]:
    """Add the flags of ``check``."""
    hook = hook_flag(parser)
    sysfs = sysfs_flag(parser)
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    return lambda found: CheckOptions(hook(found), sysfs(found), found.json)


def run(options: CheckOptions) -> int:
    """Print the report. Return 0 if the exporter would run, else 1."""
    report = check(options.hook, options.sysfs)
    print(as_json(report) if options.json else as_text(report))
    return 0 if report.chosen else 1


def check(hook: str, sysfs: Path) -> Report:
    """Try every hook. Report the hook that --bpf.hook=*hook* would use."""
    kernel = os.uname()
    hooks = dict.fromkeys(method.hook for method in ATTACH_METHODS)
    attempts = {each: try_hook(each) for each in hooks}
    wanted = {each: attempts[each] for each in hooks if hook in ("auto", each)}
    usable = [each for each in wanted if wanted[each].loaded]
    loaded = next((each.loaded for each in attempts.values() if each.loaded), None)
    *_, last = wanted.values()
    return Report(
        version=__version__,
        revision=read_revision(),
        kernel=kernel.release,
        machine=kernel.machine,
        btf=(sysfs / "kernel/btf/vmlinux").exists(),
        tracefs=tuple(read_mounted("tracefs")),
        lockdown=read_lockdown(sysfs),
        capabilities=tuple(sorted(read_capabilities())),
        bcc=loaded.bcc if loaded else "unknown",
        llvm=loaded.llvm if loaded else "unknown",
        trials=tuple(map(_trial, attempts.values())),
        chosen=usable[0] if usable else None,
        advice="" if usable else last.errors[-1].advice,
    )


def try_hook(hook: str) -> Attempts:
    """Attach by the methods of *hook* until one works, and detach again."""
    methods: list[AttachMethod] = []
    errors: list[LoadError] = []
    loaded = None
    for method in ATTACH_METHODS:
        if method.hook != hook or loaded:
            continue
        methods.append(method)
        try:
            loaded = loader.load(method.name, 1, 1)
        except LoadError as error:
            errors.append(error)
    for fd in loaded.fds.values() if loaded else ():
        os.close(fd)
    return Attempts(tuple(methods), tuple(errors), loaded)


def _trial(attempts: Attempts) -> Trial:
    method = attempts.methods[-1]
    reasons = map(_reason, attempts.methods, attempts.errors)
    return Trial(
        hook=method.hook,
        works=attempts.loaded is not None,
        reason="" if attempts.loaded else "; ".join(dict.fromkeys(reasons)),
        ways_tried=len(attempts.methods),
        sees_compat=method.sees_compat,
        slows_all_syscalls=method.slows_all_syscalls,
        sums_are_exact=sums_are_exact(method.hook),
        uid_reason=attempts.loaded.uid_reason if attempts.loaded else "",
    )


def _reason(method: AttachMethod, error: LoadError) -> str:
    """Return the reason in *error*, without the name of the method or hook."""
    names = f"{re.escape(method.name)}|{re.escape(method.hook)}"
    return re.sub(rf"^.*?\b(?:{names}): ", "", error.why)


def read_lockdown(sysfs: Path) -> str:
    """Return none, integrity or confidentiality, or why the mode is unknown."""
    try:
        text = (sysfs / "kernel/security/lockdown").read_text()
    except OSError:
        return "unknown: securityfs is not mounted, or the kernel has no lockdown"
    return text.partition("[")[2].partition("]")[0] or "unknown"


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
    if report.chosen:
        yield f"The exporter would run, with {report.chosen}."
    else:
        yield f"The exporter would not run. {report.advice}"


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
