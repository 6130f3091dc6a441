"""
Report what this host offers, and which hook the exporter would use.

The loader attaches the programs by each hook, exactly as it does for serving.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from fanotify_exporter import __version__
from fanotify_exporter.bpf.loaded import (
    LoadedCalls,
    LoadedFsnotify,
    LoadedPrograms,
)
from fanotify_exporter.bpf.missed_runs import sums_are_exact
from fanotify_exporter.collectors.revision import read_revision
from fanotify_exporter.commands.check_report import (
    PermissionTrial,
    Report,
    Trial,
    as_json,
    as_text,
)
from fanotify_exporter.commands.live_sources import LiveSource, find_group_source
from fanotify_exporter.commands.wait_source import find_wait_source
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
        permission=try_permission(hook),
        groups=try_groups(),
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
    _detach(loaded)
    return Attempts(tuple(methods), tuple(errors), loaded)


def try_permission(hook: str) -> PermissionTrial:
    """Attach the programs that count permission waits, and detach again."""
    loaded, reason = None, ""
    try:
        loaded = loader.load_permission(hook)
    except LoadError as error:
        reason = error.why
    source = find_wait_source(loaded)
    _detach(loaded)
    return PermissionTrial(loaded.hook if loaded else None, reason, source)


def try_groups() -> LiveSource:
    """Load the iterator over groups, and unload it again."""
    loaded, reason = None, ""
    try:
        loaded = loader.load_fsnotify()
    except LoadError as error:
        reason = error.why
    source = find_group_source(loaded, reason)
    _detach(loaded)
    return source


def _detach(loaded: LoadedPrograms | LoadedFsnotify | None) -> None:
    for fd in loaded.fds.values() if loaded else ():
        os.close(fd)


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
