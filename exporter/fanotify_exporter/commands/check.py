"""
The preflight: what this machine offers, and what the exporter would do with it.

Every hook is tried for real, by the loader that serving would use.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from fanotify_exporter import __version__
from fanotify_exporter.bpf.loaded import LoadedPrograms
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader import run
from fanotify_exporter.loader.attach_methods import ATTACH_METHODS, AttachMethod
from fanotify_exporter.procfs.capabilities import read_capabilities
from fanotify_exporter.procfs.mounts import read_mounted


@dataclass(frozen=True, slots=True)
class Trial:
    """How attaching by one method went; *reason* is the kernel's if it did not."""

    method: str
    hook: str
    works: bool
    reason: str
    sees_compat: bool
    slows_every_syscall: bool


@dataclass(frozen=True, slots=True)
class Report:
    """
    What was found.

    Attributes:
        chosen: the method that serving with the same flags would use, or None.
        advice: the one thing to do, if there is none.
    """

    version: str
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


def check(hook: str, sysfs: Path) -> Report:
    """Try every method, and say which one --bpf.hook=*hook* would use."""
    kernel = os.uname()
    outcomes = [(method, _try(method)) for method in ATTACH_METHODS]
    loaded = [each for _, each in outcomes if isinstance(each, LoadedPrograms)]
    usable = [
        method.name
        for method, each in outcomes
        if isinstance(each, LoadedPrograms) and hook in ("auto", method.hook)
    ]
    refusals = [
        each
        for method, each in outcomes
        if isinstance(each, LoadError) and hook in ("auto", method.hook)
    ]
    return Report(
        version=__version__,
        kernel=kernel.release,
        machine=kernel.machine,
        btf=(sysfs / "kernel/btf/vmlinux").exists(),
        tracefs=tuple(read_mounted("tracefs")),
        lockdown=read_lockdown(sysfs),
        capabilities=tuple(sorted(read_capabilities())),
        bcc=loaded[0].bcc if loaded else "unknown",
        llvm=loaded[0].llvm if loaded else "unknown",
        trials=tuple(_trial(method, each) for method, each in outcomes),
        chosen=usable[0] if usable else None,
        advice="" if usable else refusals[-1].advice,
    )


def _try(method: AttachMethod) -> LoadedPrograms | LoadError:
    try:
        loaded = run.load(method.name, max_entries=1)
    except LoadError as error:
        return error
    for fd in loaded.fds.values():
        os.close(fd)
    return loaded


def _trial(method: AttachMethod, outcome: LoadedPrograms | LoadError) -> Trial:
    return Trial(
        method=method.name,
        hook=method.hook,
        works=isinstance(outcome, LoadedPrograms),
        reason=_reason(method, outcome) if isinstance(outcome, LoadError) else "",
        sees_compat=method.sees_compat,
        slows_every_syscall=method.slows_all_syscalls,
    )


def _reason(method: AttachMethod, error: LoadError) -> str:
    """Return *error* without the words about which hook it is."""
    return error.why.partition(f"{method.hook}: ")[2] or error.why


def read_lockdown(sysfs: Path) -> str:
    """Return the lockdown mode: none, integrity, confidentiality, or why not."""
    try:
        text = (sysfs / "kernel/security/lockdown").read_text()
    except OSError:
        return "unknown: securityfs is not mounted, or the kernel has no lockdown"
    return text.partition("[")[2].partition("]")[0] or "unknown"


def as_json(report: Report) -> str:
    """Return *report* for a program to read."""
    return json.dumps(asdict(report), indent=2)


def as_text(report: Report) -> str:
    """Return *report* for a person to read."""
    return "\n".join(_lines(report))


def _lines(report: Report) -> Iterator[str]:
    yield f"kernel        {report.kernel} {report.machine}"
    yield f"BTF           {'yes' if report.btf else 'no: fentry needs it'}"
    yield f"tracefs       {', '.join(report.tracefs) or 'not mounted'}"
    yield f"lockdown      {report.lockdown}"
    yield f"capabilities  {', '.join(report.capabilities) or 'none of use'}"
    yield f"bcc           {report.bcc}, LLVM {report.llvm}"
    yield ""
    yield f"{'hook':<34}{'works':<7}{'compat calls':<14}{'other system calls':<20}"
    for trial in report.trials:
        name = f"{trial.hook} ({trial.method})"
        works = "yes" if trial.works else "no"
        compat = "seen" if trial.sees_compat else "missed"
        others = "slower" if trial.slows_every_syscall else "as before"
        yield f"{name:<34}{works:<7}{compat:<14}{others:<20}".rstrip()
        if trial.reason:
            yield f"    {trial.reason}"
    yield ""
    if report.chosen:
        yield f"The exporter would run, with {report.chosen}."
    else:
        yield f"The exporter would not run. {report.advice}"
