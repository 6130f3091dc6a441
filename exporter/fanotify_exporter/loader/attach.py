"""Attach compiled programs to their attach points, with one function per hook."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fanotify_exporter.bpf.ftrace import require_ftrace
from fanotify_exporter.bpf.loaded import AttachedProbe
from fanotify_exporter.loader.links import (
    link_kprobe,
    link_raw_tracepoint,
    link_tracepoint,
    require_kprobes,
)
from fanotify_exporter.loader.methods import ProbeSpec
from fanotify_exporter.loader.tracefs import require_tracefs


def require_hook(hook: str) -> None:
    """
    Check what *hook* needs from the kernel, before a program is compiled.

    Raises:
        LoadError: the kernel lacks the hook, or keeps it switched off.
    """
    require_ftrace(hook)
    if hook == "kprobe":
        require_kprobes()
    if hook == "tracepoint":
        require_tracefs()


def attach_probes(bpf: Any, hook: str, specs: Iterable[ProbeSpec]) -> dict[str, int]:
    """
    Attach the programs of *specs*, each program once.

    Returns the file descriptors of programs and links by name. The programs stay
    attached while the descriptors are open.
    """
    fds: dict[str, int] = {}
    for spec in specs:
        for name in spec.functions:
            link = _link_name(name, spec)
            if link not in fds:
                function = _full_name(bpf, name)
                fds[link] = _ATTACH[hook](bpf, spec, function)
                fds[_program_name(name, spec)] = bpf.funcs[function.encode()].fd
    return fds


def describe_probe(hook: str, spec: ProbeSpec) -> AttachedProbe:
    """Describe *spec*, attached to *hook*, for the serving process."""
    programs = tuple(_program_name(name, spec) for name in spec.functions)
    links = tuple(_link_name(name, spec) for name in spec.functions)
    return AttachedProbe(
        spec.name,
        f"{hook}:{spec.attach_point}",
        programs=() if spec.saves_arguments else programs,
        links=links if hook == "kprobe" else (),
    )


def _link_name(function: str, spec: ProbeSpec) -> str:
    return f"link:{function}@{spec.attach_point}"


def _program_name(function: str, spec: ProbeSpec) -> str:
    return f"program:{function}@{spec.attach_point}"


def _full_name(bpf: Any, function: str) -> str:
    """Return bcc's name of *function*: since 0.28 fentry programs name the module."""
    full = re.sub("^(kfunc|kretfunc)__", r"\1__vmlinux__", function)
    try:
        bpf.dump_func(full.encode())
    except Exception:  # noqa: BLE001  bcc raises nothing narrower if there is none
        return function
    return full


def _attach_fentry(bpf: Any, spec: ProbeSpec, function: str) -> int:
    name = function.encode()
    attached = bpf.kfunc_entry_fds if spec.at_entry else bpf.kfunc_exit_fds
    if name not in attached:
        attach = bpf.attach_kfunc if spec.at_entry else bpf.attach_kretfunc
        attach(fn_name=name)
    return int(attached[name])


def _attach_kprobe(bpf: Any, spec: ProbeSpec, function: str) -> int:
    program = bpf.load_func(function.encode(), bpf.KPROBE).fd
    return link_kprobe(program, spec.attach_point, at_return=not spec.at_entry)


def _attach_tracepoint(bpf: Any, spec: ProbeSpec, function: str) -> int:
    program = bpf.load_func(function.encode(), bpf.TRACEPOINT).fd
    return link_tracepoint(program, spec.attach_point)


def _attach_raw_tracepoint(bpf: Any, spec: ProbeSpec, function: str) -> int:
    program = bpf.load_func(function.encode(), bpf.RAW_TRACEPOINT).fd
    return link_raw_tracepoint(program, spec.attach_point)


# By hook: a function that attaches a program and returns the link's descriptor.
_ATTACH: Mapping[str, Callable[[Any, ProbeSpec, str], int]] = {
    "fentry": _attach_fentry,
    "kprobe": _attach_kprobe,
    "tracepoint": _attach_tracepoint,
    "raw_tracepoint": _attach_raw_tracepoint,
}
