"""Tables of the methods that attach the programs which count or show calls."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import Final

from fanotify_exporter.bpf.loaded import SYSCALLS
from fanotify_exporter.bpf.missed_runs import sums_are_exact
from fanotify_exporter.loader.methods import AttachMethod, ProbeSpec
from fanotify_exporter.system.machine import IS_ARM64


COMPAT_MARK: Final = (
    "__arm64_compat_sys_fanotify_mark"
    if IS_ARM64
    else "__ia32_compat_sys_fanotify_mark"
)

_ALL = (
    "fanotify_mark",
    "fanotify_init",
    "inotify_init1",
    "inotify_init",
    "inotify_add_watch",
)

# On arm64 only 32-bit programs can call inotify_init(2), so the kernel has no
# tracepoint for the call.
_UNTRACED = {"inotify_init"} if IS_ARM64 else set()
_TRACED = tuple(syscall for syscall in _ALL if syscall not in _UNTRACED)

# The part with fexit programs on inotify_add_watch(2) that read no registers, and the
# part whose programs do. The key of a counted call has no argument.
_WATCH_PARTS = ("calls/fexit_watch_alone", "calls/fexit_watch")
_WITH_ARGUMENTS = tuple(each for each in _TRACED if each != "inotify_add_watch")


def counted_as(syscall: str) -> str:
    """Return the element of SYSCALLS that *syscall* is counted as."""
    return "inotify_init" if syscall == "inotify_init1" else syscall


def _native_wrapper(syscall: str) -> str:
    """Return the kernel function that a native call enters."""
    return f"__arm64_sys_{syscall}" if IS_ARM64 else f"__x64_sys_{syscall}"


def _compat_wrapper(syscall: str) -> str | None:
    """
    Return the kernel function that a 32-bit call enters, None if it is the native one.

    On arm64 one function serves both entries, except for fanotify_mark(2) with the
    u64 argument. On both architectures one function serves both entries of
    inotify_init(2), which has no arguments.
    """
    if syscall == "fanotify_mark":
        return COMPAT_MARK
    if IS_ARM64 or syscall == "inotify_init":
        return None
    return f"__ia32_sys_{syscall}"


def _fexits(syscalls: Iterable[str]) -> Iterator[ProbeSpec]:
    """Yield the fexit programs on the wrappers of *syscalls*."""
    for syscall in syscalls:
        counted = counted_as(syscall)
        native, compat = _native_wrapper(syscall), _compat_wrapper(syscall)
        yield ProbeSpec(counted, native, f"kretfunc__{native}")
        if compat:
            yield ProbeSpec(counted, compat, f"kretfunc__{compat}", compat_only=True)


def _kretprobes(syscalls: Iterable[str]) -> Iterator[ProbeSpec]:
    """Yield the return probes on the wrappers of *syscalls*."""
    for syscall in syscalls:
        counted, function = counted_as(syscall), f"return_{syscall}"
        compat = _compat_wrapper(syscall)
        yield ProbeSpec(counted, _native_wrapper(syscall), function)
        if compat:
            yield ProbeSpec(counted, compat, f"{function}_compat", compat_only=True)


def _tracepoints(
    when: str, syscalls: Iterable[str], *, saves_arguments: bool = False
) -> Iterator[ProbeSpec]:
    """Yield the programs on the "enter" or "exit" tracepoints of *syscalls*."""
    for syscall in syscalls:
        yield ProbeSpec(
            counted_as(syscall),
            f"syscalls:sys_{when}_{syscall}",
            f"{when}_{syscall}",
            saves_arguments=saves_arguments,
        )


def _pairs(with_arguments: Collection[str]) -> Iterator[ProbeSpec]:
    """Yield the programs on both tracepoints of *with_arguments*, or on the exit."""
    yield from _tracepoints("enter", with_arguments, saves_arguments=True)
    for spec, syscall in zip(_tracepoints("exit", _TRACED), _TRACED, strict=True):
        alone = syscall not in with_arguments
        yield replace(spec, function=f"{spec.function}_alone") if alone else spec


# No probe is on do_inotify_init(): the compiler of 5.10 inlined this function into one
# of the two callers.
_FEXIT = (
    ProbeSpec("fanotify_mark", "do_fanotify_mark", "kretfunc__do_fanotify_mark"),
    *_fexits(_ALL[1:]),
)

_RAW_SOURCES = ("calls/arguments", "calls/raw_tracepoint")

# One program counts all system calls. A second program slows every system call of the
# host once more, and counts most of the calls that the first one misses on kernels that
# preempt programs.
_RAW = (
    AttachMethod(
        "raw_sys_exit",
        hook="raw_tracepoint",
        sources=(*_RAW_SOURCES, "calls/raw_once"),
        probes=tuple(ProbeSpec(name, "sys_exit", "raw_exit") for name in SYSCALLS),
        slows_all_syscalls=True,
    ),
    AttachMethod(
        "raw_sys_exit_twice",
        hook="raw_tracepoint",
        sources=(*_RAW_SOURCES, "calls/raw_twice"),
        probes=tuple(
            ProbeSpec(name, "sys_exit", "raw_exit_first", second="raw_exit_second")
            for name in SYSCALLS
        ),
        slows_all_syscalls=True,
    ),
)

# In order of preference: --bpf.hook=auto uses the first method that works. The loader
# puts parts that define count_lost() and on_call() before the sources.
ATTACH_METHODS: Final[tuple[AttachMethod, ...]] = (
    AttachMethod(
        "fexit",
        hook="fentry",
        sources=(
            "calls/arguments",
            "calls/fexit_typed",
            "calls/fexit_init",
            "calls/fexit_watch_alone",
            "calls/fexit_mark",
        ),
        probes=_FEXIT,
    ),
    AttachMethod(
        "fexit_read",
        hook="fentry",
        sources=(
            "calls/arguments",
            "calls/fexit_read",
            "calls/fexit_init",
            "calls/fexit_watch_alone",
            "calls/fexit_mark",
        ),
        probes=_FEXIT,
    ),
    AttachMethod(
        "fexit_wrappers",
        hook="fentry",
        sources=(
            "calls/arguments",
            "calls/fexit_typed",
            "calls/fexit_init",
            "calls/fexit_watch_alone",
            "calls/fexit_mark_wrappers",
        ),
        probes=tuple(_fexits(_ALL)),
    ),
    AttachMethod(
        "kretprobe",
        hook="kprobe",
        sources=("calls/arguments", "calls/kretprobe"),
        probes=tuple(_kretprobes(_ALL)),
    ),
    AttachMethod(
        "sys_exit",
        hook="tracepoint",
        sources=("calls/arguments", "calls/tracepoint_exit"),
        probes=tuple(_tracepoints("exit", _TRACED)),
        sees_compat=False,
        slows_all_syscalls=True,
    ),
    AttachMethod(
        "sys_enter_exit",
        hook="tracepoint",
        sources=("calls/tracepoint_pair",),
        probes=tuple(_pairs(_WITH_ARGUMENTS)),
        sees_compat=False,
        slows_all_syscalls=True,
    ),
    *(_RAW if sums_are_exact("raw_tracepoint") else reversed(_RAW)),
)


def _with_all_arguments(method: AttachMethod) -> AttachMethod:
    """Return *method* with the arguments of inotify_add_watch(2)."""
    if method.name == "sys_enter_exit":
        return replace(method, probes=tuple(_pairs(_TRACED)))
    sources = (source.replace(*_WATCH_PARTS) for source in method.sources)
    return replace(method, sources=tuple(sources))


# The methods that show single calls.
TRACE_METHODS: Final = tuple(map(_with_all_arguments, ATTACH_METHODS))


def restrict(method: AttachMethod, syscalls: Collection[str]) -> AttachMethod:
    """
    Return *method* with only the probes that count *syscalls*, elements of SYSCALLS.

    The one program on the raw tracepoint counts all system calls nevertheless. bcc
    attaches every fexit program that it compiles; the loader child hands over the
    restricted probes, and the others are detached when the child exits.
    """
    probes = tuple(spec for spec in method.probes if spec.name in syscalls)
    return replace(method, probes=probes)
