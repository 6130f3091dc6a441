"""
What the loader child hands to the serving process: JSON and file descriptors.

One message over an AF_UNIX SOCK_SEQPACKET pair carries the whole description;
its descriptors are in the order of the names under "fds".
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from exporter.errors import LoadError


MAX_MESSAGE = 65536
MAX_WHY = 8192
MAX_FDS = 64
REFUSAL = b'{"why"'


@dataclass(frozen=True, slots=True)
class Layout:
    """One entry of a map: its members' names, and their struct(3) format."""

    names: tuple[str, ...]
    format: str
    entries: int


@dataclass(frozen=True, slots=True)
class Probe:
    """
    What counts for a probe, and at which hook it is attached.

    *programs* and *links* name the descriptors whose missed runs are missed calls.
    """

    name: str
    hook: str
    programs: tuple[str, ...] = ()
    links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Loaded:
    """
    Programs that run in the kernel for as long as *fds* are open.

    Attributes:
        hook: the rung of the ladder that runs, e.g. "tracepoint".
        reasons: rungs that were tried before it, and the kernel's words.
        max_entries: keys that fit for root, and again for other users.
        compat: whether 32-bit compat calls are seen.
        taxes: whether every system call of the host gets slower.
        bcc: version of bcc that compiled them.
        llvm: version of LLVM that bcc compiled with, or "unknown".
        began: when they began to count, seconds after the boot.
    """

    hook: str
    probes: tuple[Probe, ...]
    layouts: Mapping[str, Layout]
    lost_reasons: tuple[str, ...]
    max_entries: int
    compat: bool
    taxes: bool
    bcc: str
    llvm: str
    reasons: Mapping[str, str] = field(default_factory=dict)
    fds: Mapping[str, int] = field(default_factory=dict)
    began: float = field(
        default_factory=lambda: time.clock_gettime(time.CLOCK_BOOTTIME)
    )


def send(channel: socket.socket, loaded: Loaded) -> None:
    """Send *loaded* with its descriptors in one message."""
    socket.send_fds(channel, [describe(loaded)], list(loaded.fds.values()))


def describe(loaded: Loaded) -> bytes:
    """Return *loaded* as JSON, of its descriptors only the names, in their order."""
    return json.dumps(asdict(loaded) | {"fds": list(loaded.fds)}).encode()


def send_error(channel: socket.socket, error: LoadError) -> None:
    """Send why there are no probes."""
    text = json.dumps({"why": error.why[:MAX_WHY], "advice": error.advice})
    channel.send(text.encode())


def receive(channel: socket.socket) -> Loaded | LoadError | None:
    """
    Receive what the child sent: probes, why there are none, or None if it is gone.

    Raises:
        TimeoutError: nothing came within the channel's timeout.
    """
    message, fds, _, _ = socket.recv_fds(channel, MAX_MESSAGE, MAX_FDS)
    for fd in fds:
        os.set_inheritable(fd, False)  # noqa: FBT003  the standard library's
    if not message:
        return None
    if message.startswith(REFUSAL):
        return LoadError(**json.loads(message))
    return parse(message, fds)


def parse(description: bytes, fds: Sequence[int]) -> Loaded:
    """Return what *description*, of describe(), says; *fds* are in its order."""
    plain = json.loads(description)
    names = plain.pop("fds")
    probes = plain.pop("probes")
    layouts = plain.pop("layouts")
    reasons = plain.pop("lost_reasons")
    return Loaded(
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
) -> Probe:
    return Probe(name, hook, tuple(programs), tuple(links))
