"""
What the loader child hands to the serving process: JSON and file descriptors.

One message over an AF_UNIX SOCK_SEQPACKET pair carries the whole description;
its descriptors are in the order of the names under "fds".
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class Layout:
    """One entry of a map: its members' names, and their struct(3) format."""

    names: tuple[str, ...]
    format: str
    entries: int


@dataclass(frozen=True, slots=True)
class AttachedProbe:
    """
    What counts for a probe, and at which hook it is attached.

    *programs* and *links* name the descriptors whose missed runs are missed calls.
    """

    name: str
    hook: str
    programs: tuple[str, ...] = ()
    links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadedPrograms:
    """
    Programs that run in the kernel for as long as *fds* are open.

    Attributes:
        hook: the method of the ladder that runs, e.g. "tracepoint".
        reasons: methods that were tried before it, and the kernel's words.
        max_entries: keys that fit for root, and again for other users.
        sees_compat: whether 32-bit compat calls are seen.
        slows_all_syscalls: whether every system call of the host gets slower.
        bcc: version of bcc that compiled them.
        llvm: version of LLVM that bcc compiled with, or "unknown".
        counting_since: when they counting_since to count, seconds after the boot.
    """

    hook: str
    probes: tuple[AttachedProbe, ...]
    layouts: Mapping[str, Layout]
    lost_reasons: tuple[str, ...]
    max_entries: int
    sees_compat: bool
    slows_all_syscalls: bool
    bcc: str
    llvm: str
    reasons: Mapping[str, str] = field(default_factory=dict)
    fds: Mapping[str, int] = field(default_factory=dict)
    counting_since: float = field(
        default_factory=lambda: time.clock_gettime(time.CLOCK_BOOTTIME)
    )


def describe(loaded: LoadedPrograms) -> bytes:
    """Return *loaded* as JSON, of its descriptors only the names, in their order."""
    return json.dumps(asdict(loaded) | {"fds": list(loaded.fds)}).encode()


def parse(description: bytes, fds: Sequence[int]) -> LoadedPrograms:
    """Return what *description*, of describe(), says; *fds* are in its order."""
    plain = json.loads(description)
    names = plain.pop("fds")
    probes = plain.pop("probes")
    layouts = plain.pop("layouts")
    reasons = plain.pop("lost_reasons")
    return LoadedPrograms(
        fds=dict(zip(names, fds, strict=True)),
        probes=tuple(_probe(**probe) for probe in probes),
        lost_reasons=tuple(reasons),
        layouts={
            name: Layout(tuple(each["names"]), each["format"], each["entries"])
            for name, each in layouts.items()
        },
        **plain,
    )


def _probe(
    *,
    name: str,
    hook: str,
    programs: Sequence[str],
    links: Sequence[str],
) -> AttachedProbe:
    return AttachedProbe(name, hook, tuple(programs), tuple(links))
