"""The maps of compiled programs: free slots, and layouts for the serving process."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterable, Iterator
from typing import Any, Final

from fanotify_exporter.bpf.loaded import Layout


# The maps of bpf/calls/count.bpf.c that the serving process reads.
SHARED_MAPS: Final = ("slots", "lost")

# Names of enum lost_reason in bpf/calls/calls.h, in its order.
LOST_REASONS: Final = ("no_entry",)


# Maximum distinct keys of inotify_add_watch(2), each a comm and an errno. Any user can
# take the slots with calls that fail. Each slot gives a scrape two samples at most.
MAX_WATCH_ENTRIES: Final = 256


def fill_free_slots(bpf: Any, max_entries: int, max_user_entries: int) -> None:
    """Push the indexes of each section, so that indexes pop in ascending order."""
    first_user, first_watch = max_entries, max_entries + max_user_entries
    push_indexes(bpf[b"free_privileged"], range(first_user))
    push_indexes(bpf[b"free_user"], range(first_user, first_watch))
    watches = range(first_watch, first_watch + MAX_WATCH_ENTRIES)
    push_indexes(bpf[b"free_watch"], watches)


def push_indexes(stack: Any, indexes: range) -> None:
    """Push *indexes* onto a BPF stack, so that the indexes pop in ascending order."""
    for index in reversed(indexes):
        stack.push(ctypes.c_uint32(index))


def read_layouts(bpf: Any, names: Iterable[str]) -> dict[str, Layout]:
    """Return the layout of each map of *names*."""
    return {name: _read_layout(bpf[name.encode()]) for name in names}


def read_map_fds(bpf: Any, names: Iterable[str]) -> dict[str, int]:
    """Return the file descriptor of each map of *names*."""
    return {name: bpf[name.encode()].map_fd for name in names}


def _read_layout(table: Any) -> Layout:
    """Convert the ctypes type that bcc made for a map's value."""
    members = list(_flatten("value", table.Leaf))
    layout = Layout(
        tuple(name for name, _ in members),
        "@" + "".join(code for _, code in members),
        table.max_entries,
    )
    assert struct.calcsize(layout.format) == ctypes.sizeof(table.Leaf)
    return layout


def _flatten(name: str, member: Any) -> Iterator[tuple[str, str]]:
    """Yield name and struct(3) code of each scalar and array in *member*."""
    if issubclass(member, ctypes.Structure):
        for inner_name, inner, *_ in member._fields_:
            yield from _flatten(inner_name, inner)
    elif issubclass(member, ctypes.Array):
        yield name, f"{ctypes.sizeof(member)}s"
    else:
        yield name, member._type_
