"""Description of loaded programs, and its form as JSON for the channel and for pins."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final


# The counted system calls, by enum syscall of bpf/calls/calls.h. inotify_init1(2) is
# counted as inotify_init.
SYSCALLS: Final = (
    "fanotify_mark",
    "fanotify_init",
    "inotify_init",
    "inotify_add_watch",
)


@dataclass(frozen=True, slots=True)
class Layout:
    """
    Layout of a map.

    Attributes:
        names: members of an entry.
        format: struct(3) format of an entry.
        entries: number of entries.
    """

    names: tuple[str, ...]
    format: str
    entries: int


@dataclass(frozen=True, slots=True)
class AttachedProbe:
    """
    A program that is attached.

    Attributes:
        name: value of the label "probe": element of SYSCALLS that the program counts,
            or the part of a permission event.
        attach_point: hook and kernel function or tracepoint, such as
            "kprobe:__x64_sys_fanotify_mark".
        programs: names of descriptors; a missed run of these programs is a lost call.
        links: names of descriptors; a missed run of these links is a lost call.
    """

    name: str
    attach_point: str
    programs: tuple[str, ...] = ()
    links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedPrograms:
    """
    A set of programs that stay attached while the descriptors in *fds* are open.

    Attributes:
        hook: value of --bpf.hook that selects the attach method in use.
        probes: the attached programs.
        layouts: layout of each shared map.
        lost_reasons: names of enum lost_reason.
        bcc: version of bcc that compiled the programs.
        llvm: version of LLVM that bcc compiled with, or "unknown".
        reasons: by hook, why the hooks that were tried before *hook* were refused.
        fds: descriptors of maps, programs and links by name.
        booted: Unix time at which CLOCK_BOOTTIME was 0, in seconds, by the wall clock
            when the programs were loaded. A step of the wall clock moves no time that
            was exported, also not after a restart that adopts the programs.
        counting_since: Unix time when the programs began to count, by the same clock.
    """

    hook: str
    probes: tuple[AttachedProbe, ...]
    layouts: Mapping[str, Layout]
    lost_reasons: tuple[str, ...]
    bcc: str
    llvm: str
    reasons: Mapping[str, str] = field(default_factory=dict)
    fds: Mapping[str, int] = field(default_factory=dict)
    booted: float = field(
        default_factory=lambda: time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    )
    counting_since: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedCalls(LoadedPrograms):
    """
    The programs that count calls.

    Attributes:
        max_entries: maximum distinct keys of privileged callers.
        max_user_entries: maximum distinct keys of all other callers together.
        max_watch_entries: maximum distinct keys of inotify_add_watch(2), which are not
            among the others.
        uid_reason: why uid 0 decides which callers are privileged, empty if
            CAP_SYS_ADMIN in the initial user namespace decides.
        sees_compat: True if 32-bit compat calls are counted.
        slows_all_syscalls: True if every system call of the host gets slower.
        syscalls: elements of SYSCALLS that the programs count.
    """

    max_entries: int
    max_user_entries: int
    max_watch_entries: int
    sees_compat: bool
    slows_all_syscalls: bool
    uid_reason: str = ""
    syscalls: tuple[str, ...] = SYSCALLS


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedPermission(LoadedPrograms):
    """
    The programs that count permission waits and answers.

    Attributes:
        iterator_reason: why the iterator over waiting tasks was refused. If empty, the
            link of the iterator is the descriptor "iterator".
    """

    iterator_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedFsnotify(LoadedPrograms):
    """
    The iterator over fanotify groups and inotify instances.

    The link of the iterator is the descriptor "iterator".

    Attributes:
        users_reason: why the kernel's counts of users are unknown, empty if known.
        calls_reason: why the iterator over calls in progress was refused. If empty, its
            link is the descriptor "calls".
    """

    users_reason: str = ""
    calls_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedEvents(LoadedPrograms):
    """The programs that count events of fanotify groups."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedTrace(LoadedPrograms):
    """
    The programs that send a record of each call.

    The ring buffer is the descriptor "records".

    Attributes:
        sees_compat: True if 32-bit compat calls are seen.
        slows_all_syscalls: True if every system call of the host gets slower.
    """

    sees_compat: bool
    slows_all_syscalls: bool


# For collectors that need no programs.
NO_PROGRAMS: Final = LoadedCalls(
    hook="none",
    probes=(),
    layouts={},
    lost_reasons=(),
    max_entries=0,
    max_user_entries=0,
    max_watch_entries=0,
    sees_compat=True,
    slows_all_syscalls=False,
    bcc="none",
    llvm="none",
    syscalls=(),
)


# The classes of LoadedPrograms, by the key "programs" of a description.
_CLASSES: Final[Mapping[str, type[LoadedPrograms]]] = {
    "calls": LoadedCalls,
    "permission": LoadedPermission,
    "fsnotify": LoadedFsnotify,
    "events": LoadedEvents,
    "trace": LoadedTrace,
}


def describe(loaded: LoadedPrograms) -> bytes:
    """Return *loaded* as JSON, with the names of the descriptors in their order."""
    programs = next(name for name, each in _CLASSES.items() if type(loaded) is each)
    plain = asdict(loaded) | {"fds": list(loaded.fds), "programs": programs}
    return json.dumps(plain).encode()


def parse(description: bytes, fds: Sequence[int]) -> LoadedPrograms:
    """Parse *description*, made by describe(); *fds* are in the order of the names."""
    plain: dict[str, Any] = json.loads(description)
    programs = _CLASSES[plain.pop("programs")]
    plain |= {
        "fds": dict(zip(plain["fds"], fds, strict=True)),
        "lost_reasons": tuple(plain["lost_reasons"]),
        "probes": tuple(_parse_probe(**probe) for probe in plain["probes"]),
        "layouts": {
            name: Layout(tuple(each["names"]), each["format"], each["entries"])
            for name, each in plain["layouts"].items()
        },
    }
    if "syscalls" in plain:
        plain["syscalls"] = tuple(plain["syscalls"])
    return programs(**plain)


def _parse_probe(
    *, name: str, attach_point: str, programs: Sequence[str], links: Sequence[str]
) -> AttachedProbe:
    return AttachedProbe(name, attach_point, tuple(programs), tuple(links))
