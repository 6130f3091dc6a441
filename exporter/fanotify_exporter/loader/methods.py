"""Attach methods: the sources of programs, and the attach points for them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProbeSpec:
    """
    A BPF program and the attach point for it.

    Attributes:
        name: value of the label "probe": element of SYSCALLS that the program counts,
            or the part of a permission event.
        attach_point: kernel function or tracepoint.
        function: name of the program in the method's sources.
        second: name of the program that counts the calls that *function* missed. The
            loader attaches it behind *function*.
        compat_only: True if only 32-bit calls use the attach point. A kernel without
            32-bit support lacks the attach point.
        saves_arguments: True for a program that only stores something for a later
            program. The later program counts as lost what it does not find.
        at_entry: True for the entry of a function, False for the return; tracepoints
            have no other side.
    """

    name: str
    attach_point: str
    function: str
    compat_only: bool = False
    saves_arguments: bool = False
    second: str | None = None
    at_entry: bool = False

    @property
    def functions(self) -> tuple[str, ...]:
        """Return the names of the programs, in the order of attaching."""
        return (self.function, self.second) if self.second else (self.function,)


@dataclass(frozen=True, slots=True)
class AttachMethod:
    """
    A way to attach the programs to a hook.

    Attributes:
        name: unique name of the method.
        hook: value of --bpf.hook that selects the method.
        sources: parts of the BPF program, files below bpf/ without ".bpf.c".
        probes: the probes that the method attaches, in this order.
        sees_compat: True if the method sees 32-bit compat calls.
        slows_all_syscalls: True if every system call of the host gets slower.
    """

    name: str
    hook: str
    sources: tuple[str, ...]
    probes: tuple[ProbeSpec, ...]
    sees_compat: bool = True
    slows_all_syscalls: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the probes, each once."""
        return tuple(dict.fromkeys(spec.name for spec in self.probes))
