"""
The loader child: compile, attach, hand over, exit.

The only module that imports bcc, and it does so only when run as a process of
its own (``python -m exporter.probes FD RUNG,... N 0|1``), so that LLVM's 90 MB go
when it exits. The probes stay: the parent holds their descriptors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fanotify_exporter.bpf.loaded import AttachedProbe
from fanotify_exporter.loader.attach_methods import ProbeSpec
from fanotify_exporter.loader.links import (
    link_kretprobe,
    link_tracepoint,
    require_kprobes,
)
from fanotify_exporter.loader.tracefs import require_tracefs


def _attach_fentry(bpf: Any, _: str, function: str) -> int:
    if function.encode() not in bpf.kfunc_exit_fds:
        bpf.attach_kretfunc(fn_name=function.encode())
    return int(bpf.kfunc_exit_fds[function.encode()])


def _attach_kretprobe(bpf: Any, target: str, function: str) -> int:
    program = bpf.load_func(function.encode(), bpf.KPROBE).fd
    return link_kretprobe(program, target)


def _attach_tracepoint(bpf: Any, target: str, function: str) -> int:
    program = bpf.load_func(function.encode(), bpf.TRACEPOINT).fd
    return link_tracepoint(program, target)


def _attach_raw_tracepoint(bpf: Any, target: str, function: str) -> int:
    bpf.attach_raw_tracepoint(target.encode(), fn_name=function.encode())
    return int(bpf.raw_tracepoint_fds[target.encode()])


ATTACH: Mapping[str, Callable[[Any, str, str], int]] = {
    "fentry": _attach_fentry,
    "kprobe": _attach_kretprobe,
    "tracepoint": _attach_tracepoint,
    "raw_tracepoint": _attach_raw_tracepoint,
}
"""By hook: attach a function to a target, return what keeps it there."""

NEEDS: Mapping[str, Callable[[], None]] = {
    "kprobe": require_kprobes,
    "tracepoint": require_tracefs,
}
"""By hook: what must be there, looked for before a program is compiled."""


def attach_probes(bpf: Any, way: str, hooks: Iterable[ProbeSpec]) -> dict[str, int]:
    """Attach each of *hooks* once; return the descriptors that keep them so."""
    fds = {}
    for hook in hooks:
        if _link(hook) not in fds:
            function = _function(bpf, hook.function)
            fds[_link(hook)] = ATTACH[way](bpf, hook.target, function)
            fds[_run(hook)] = bpf.funcs[function.encode()].fd
    return fds


def _link(hook: ProbeSpec) -> str:
    return f"link:{hook.function}@{hook.target}"


def _run(hook: ProbeSpec) -> str:
    return f"program:{hook.function}@{hook.target}"


def _probe(way: str, hook: ProbeSpec) -> AttachedProbe:
    """Describe *hook*, attached the *way* of its method."""
    return AttachedProbe(
        hook.probe,
        f"{way}:{hook.target}",
        programs=() if hook.saves_arguments else (_run(hook),),
        links=(_link(hook),) if way == "kprobe" else (),
    )


def _function(bpf: Any, function: str) -> str:
    """Return bcc's name of our *function*: 0.28 put the module into fexit's."""
    full = function.replace("kretfunc__", "kretfunc__vmlinux__", 1)
    try:
        bpf.dump_func(full.encode())
    except Exception:  # noqa: BLE001  bcc raises nothing narrower if there is none
        return function
    return full
