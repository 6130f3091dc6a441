"""LoadedCalls over plain memory, in the layout of the maps in bpf/calls/."""

from __future__ import annotations

import mmap
import os
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from fanotify_exporter.bpf.loaded import AttachedProbe, Layout, LoadedCalls


_SLOT = struct.Struct("@QQIHH16sQ")
_SLOT_MEMBERS = ("count", "mask", "flags", "error", "syscall", "comm", "created_ns")

# Programs without maps, for tests of what is said about programs.
WITHOUT_MAPS = LoadedCalls(
    hook="tracepoint",
    probes=(),
    layouts={},
    lost_reasons=("no_entry",),
    max_entries=8192,
    max_user_entries=1024,
    max_watch_entries=256,
    sees_compat=False,
    slows_all_syscalls=True,
    bcc="0.26.0",
    llvm="14",
)

# Bytes of a slot that no key has claimed.
UNUSED = bytes(_SLOT.size)


def share_memory(content: bytes) -> int:
    """Return a descriptor that can be mapped as a BPF array can: whole pages."""
    fd = os.memfd_create("array")
    pages = max(1, -(-len(content) // mmap.PAGESIZE))
    os.ftruncate(fd, pages * mmap.PAGESIZE)
    os.pwrite(fd, content, 0)
    return fd


def pack_slot(
    comm: bytes,
    count: int,
    *,
    syscall: int = 0,
    flags: int = 0x1,
    mask: int = 0x20,
    error: int = 0,
    created_ns: int = 0,
) -> bytes:
    """Return the bytes of a struct slot."""
    return _SLOT.pack(count, mask, flags, error, syscall, comm, created_ns)


def make_loaded(
    slots: Sequence[bytes] = (),
    *,
    lost: Sequence[int] = (0, 0, 0, 0),
    lost_reasons: tuple[str, ...] = ("no_entry",),
    max_entries: int = 3,
    max_user_entries: int = 3,
    max_watch_entries: int = 0,
    probes: Sequence[AttachedProbe] = (),
    hook: str = "tracepoint",
    share: Callable[[bytes], int] = share_memory,
) -> LoadedCalls:
    """
    Return programs whose maps hold *slots* and *lost*.

    Each descriptor that *probes* name is a file without missed runs.
    """
    names = [name for probe in probes for name in (*probe.programs, *probe.links)]
    return replace(
        WITHOUT_MAPS,
        hook=hook,
        counting_since=time.time(),
        probes=tuple(probes),
        layouts={
            "slots": Layout(_SLOT_MEMBERS, _SLOT.format, len(slots)),
            "lost": Layout(("value",), "@Q", len(lost)),
        },
        lost_reasons=lost_reasons,
        max_entries=max_entries,
        max_user_entries=max_user_entries,
        max_watch_entries=max_watch_entries,
        fds={
            "slots": share(b"".join(slots)),
            "lost": share(struct.pack(f"@{len(lost)}Q", *lost)),
        }
        | {name: share(b"") for name in names},
    )
