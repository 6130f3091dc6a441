"""The ladder: the ways to attach, what each hooks, sees and costs; pure data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fanotify_exporter.bpf.samples import SYSCALLS
from fanotify_exporter.system.machine import IS_ARM64


@dataclass(frozen=True, slots=True)
class ProbeSpec:
    """
    One program at one place in the kernel.

    Attributes:
        probe: which of SYSCALLS counts by it.
        target: the kernel's function or tracepoint.
        function: ours, in bpf/fanotify.bpf.c.
        compat_only: True if only 32-bit calls use the target; not every kernel has it.
        saves_arguments: True for an entry program that only stores the arguments for
            the exit program. The exit program counts a call whose entry was missed as
            lost.
    """

    probe: str
    target: str
    function: str
    compat_only: bool = False
    saves_arguments: bool = False


@dataclass(frozen=True, slots=True)
class AttachMethod:
    """
    One way to attach.

    Attributes:
        hook: what --bpf.hook calls it.
        macro: selects its programs in the C file.
        hooks: what it attaches, in this order.
        sees_compat: True if the method sees 32-bit compat calls.
        slows_all_syscalls: whether every system call of the host gets slower.
    """

    hook: str
    macro: str
    hooks: tuple[ProbeSpec, ...]
    sees_compat: bool = True
    slows_all_syscalls: bool = False

    @property
    def name(self) -> str:
        """The method in one word, unique in the ladder."""
        return self.macro.removeprefix("HOOK_").lower()


ALL: Final = ("fanotify_mark", "fanotify_init", "inotify_init1", "inotify_init")

COMPAT_MARK: Final = (
    "__arm64_compat_sys_fanotify_mark"
    if IS_ARM64
    else "__ia32_compat_sys_fanotify_mark"
)
"""In kernels that serve 32-bit calls."""


def _probe(syscall: str) -> str:
    return syscall.removesuffix("1")


def _native(syscall: str) -> str:
    """Return the kernel's function that a native call enters."""
    return f"__arm64_sys_{syscall}" if IS_ARM64 else f"__x64_sys_{syscall}"


def _compat(syscall: str) -> str | None:
    """
    Return the function that a 32-bit call enters, None if it is the native one.

    On arm64 one function serves both, but for fanotify_mark with its u64; and one
    without arguments serves both everywhere.
    """
    if syscall == "fanotify_mark":
        return COMPAT_MARK
    if IS_ARM64 or syscall == "inotify_init":
        return None
    return f"__ia32_sys_{syscall}"


def _fexits(syscall: str) -> tuple[ProbeSpec, ...]:
    """Return the exits of a system call's wrappers."""
    targets = ((_native(syscall), False), (_compat(syscall), True))
    return tuple(
        ProbeSpec(_probe(syscall), target, f"kretfunc__{target}", compat)
        for target, compat in targets
        if target
    )


def _kretprobes(syscall: str) -> tuple[ProbeSpec, ...]:
    """Return the return probes of a system call's wrappers."""
    targets = (
        (_native(syscall), f"return_{syscall}", False),
        (_compat(syscall), f"return_{syscall}_compat", True),
    )
    return tuple(
        ProbeSpec(_probe(syscall), target, function, compat)
        for target, function, compat in targets
        if target
    )


_FEXIT: Final = (
    ProbeSpec("fanotify_mark", "do_fanotify_mark", "kretfunc__do_fanotify_mark"),
    *(hook for name in ALL[1:] for hook in _fexits(name)),
)
"""Not do_inotify_init: 5.10 has it inlined into one of its two callers."""

_TRACED: Final = ALL[:3] if IS_ARM64 else ALL
"""arm64 has inotify_init for 32-bit calls only."""

_SYS_EXITS: Final = tuple(
    ProbeSpec(_probe(syscall), f"syscalls:sys_exit_{syscall}", f"exit_{syscall}")
    for syscall in _TRACED
)

_SYS_ENTERS: Final = tuple(
    ProbeSpec(
        _probe(syscall),
        f"syscalls:sys_enter_{syscall}",
        f"enter_{syscall}",
        saves_arguments=True,
    )
    for syscall in _TRACED
)

ATTACH_METHODS: Final = (
    AttachMethod("fentry", "HOOK_FEXIT", _FEXIT),
    AttachMethod("fentry", "HOOK_FEXIT_READ", _FEXIT),
    AttachMethod(
        "fentry",
        "HOOK_FEXIT_WRAPPERS",
        tuple(hook for name in ALL for hook in _fexits(name)),
    ),
    AttachMethod(
        "kprobe",
        "HOOK_KRETPROBE",
        tuple(hook for name in ALL for hook in _kretprobes(name)),
    ),
    AttachMethod(
        "tracepoint",
        "HOOK_SYS_EXIT",
        _SYS_EXITS,
        sees_compat=False,
        slows_all_syscalls=True,
    ),
    AttachMethod(
        "tracepoint",
        "HOOK_SYS_ENTER_EXIT",
        _SYS_ENTERS + _SYS_EXITS,
        sees_compat=False,
        slows_all_syscalls=True,
    ),
    AttachMethod(
        "raw_tracepoint",
        "HOOK_RAW_SYS_EXIT",
        tuple(ProbeSpec(probe, "sys_exit", "raw_exit") for probe in SYSCALLS),
        slows_all_syscalls=True,
    ),
)
"""Best first."""
