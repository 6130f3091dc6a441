"""The maps of compiled programs, with ctypes as bcc makes them."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

from fanotify_exporter.bpf.loaded import Layout
from fanotify_exporter.loader.maps import (
    MAX_WATCH_ENTRIES,
    SHARED_MAPS,
    fill_free_slots,
    read_layouts,
)


# Q where ctypes tells unsigned long long from unsigned long, else L.
U64 = ctypes.c_ulonglong._type_


class Call(ctypes.Structure):
    _fields_ = [
        ("mask", ctypes.c_ulonglong),
        ("flags", ctypes.c_uint32),
        ("comm", ctypes.c_char * 16),
    ]


class Slot(ctypes.Structure):
    _fields_ = [("call", Call), ("count", ctypes.c_ulonglong)]


class Stack(list[int]):
    def push(self, value: ctypes.c_uint32) -> None:
        self.append(value.value)


def test_layout_of_nested_structures() -> None:
    """The layout has the members of nested structures, with padding as in C."""
    table = SimpleNamespace(Leaf=Slot, max_entries=9)
    tables = {name.encode(): table for name in SHARED_MAPS}
    layouts = read_layouts(tables, SHARED_MAPS)
    expected = Layout(("mask", "flags", "comm", "count"), f"@{U64}I16s{U64}", 9)
    assert dict.fromkeys(SHARED_MAPS, expected) == layouts


def test_free_slots_pop_in_ascending_order() -> None:
    """Each section has its own indexes, and the lowest is pushed last."""
    names = (b"free_privileged", b"free_user", b"free_watch")
    stacks = {name: Stack() for name in names}
    fill_free_slots(stacks, 3, 2)
    watches = stacks.pop(b"free_watch")
    assert {b"free_privileged": [2, 1, 0], b"free_user": [4, 3]} == stacks
    assert [*range(5, 5 + MAX_WATCH_ENTRIES)] == watches[::-1]
