"""CallMaps turns memory with the layout of the BPF maps into samples."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from fanotify_exporter.bpf.call_maps import CallMaps, NoCallMaps
from fanotify_exporter.bpf.loaded import (
    SYSCALLS,
    AttachedProbe,
    Layout,
    LoadedCalls,
    describe,
    parse,
)
from fanotify_exporter.bpf.samples import OTHER_COMM, Call, Lost, Snapshot, Usage
from fanotify_exporter.uapi.comm import comm_text
from tools.harness.loaded_programs import (
    UNUSED,
    make_loaded,
    pack_slot,
)


Memory = Callable[[bytes], int]

# Slots in each of the sections for keys, unless a test says otherwise.
SECTION_SIZE = 3

NO_MAP_FULL = tuple(Lost(syscall, "map_full", 0) for syscall in SYSCALLS)
NO_RECURSION = tuple(Lost(syscall, "recursion", 0) for syscall in SYSCALLS)


def read(memory: Memory, *slots: bytes) -> Snapshot:
    return CallMaps(make_loaded(slots, share=memory)).read()


def test_used_slots_are_calls(memory: Memory) -> None:
    """A slot with a count is a call with every member of its key."""
    slot = pack_slot(
        b"fatrace\0left over",
        23,
        flags=0xFFFF_FFFF,
        mask=2**64 - 1,
        error=22,
        created_ns=1_500_000_000,
    )
    loaded = make_loaded([slot, *[UNUSED] * 5], share=memory)
    maps = CallMaps(replace(loaded, booted=1000.25))
    (call,) = maps.read().calls["fanotify_mark"]
    assert Call("fatrace", 0xFFFF_FFFF, 2**64 - 1, 22, 23, 1001.75) == call


def test_wall_clock_step(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No time moves if the wall clock steps and a restart adopts the programs."""
    slot = pack_slot(b"a", 1, created_ns=10**9)
    loaded = make_loaded([slot, *[UNUSED] * 5], share=memory)
    loaded = replace(loaded, counting_since=time.time())
    first = CallMaps(loaded).read()
    step = time.time() + 3600
    monkeypatch.setattr(time, "time", lambda: step)
    adopted = parse(describe(loaded), list(loaded.fds.values()))
    assert isinstance(adopted, LoadedCalls)
    second = CallMaps(adopted).read()
    assert pytest.approx(step - 3600, abs=600) == first.counting_since
    uptime = time.clock_gettime(time.CLOCK_BOOTTIME)
    (call,) = first.calls["fanotify_mark"]
    assert pytest.approx(step - 3600 - uptime + 1, abs=600) == call.created
    assert (first.counting_since, first.calls) == (second.counting_since, second.calls)


def test_members_are_found_by_name(memory: Memory) -> None:
    """The layout may have the members behind the count in any order."""
    names = ("count", "comm", "created_ns", "mask", "flags", "error", "syscall")
    layout = Layout(names, "@Q16sQQIHH", 1)
    loaded = make_loaded([UNUSED], share=memory)
    slots = memory(struct.pack(layout.format, 7, b"a", 0, 0x20, 0x1, 9, 0))
    rearranged = replace(
        loaded,
        layouts={**loaded.layouts, "slots": layout},
        fds={**loaded.fds, "slots": slots},
    )
    (call,) = CallMaps(rearranged).read().calls["fanotify_mark"]
    assert Call("a", 0x1, 0x20, 9, 7, call.created) == call


def test_unused_slots_are_no_calls(memory: Memory) -> None:
    """A slot without a count is no call, even if a program has claimed the slot."""
    claimed = pack_slot(b"claimed", 0, created_ns=5)
    snapshot = read(memory, UNUSED, claimed, UNUSED, *[UNUSED] * 3)
    assert {syscall: [] for syscall in SYSCALLS} == snapshot.calls
    assert [0, 0, 0] == [usage.entries for usage in snapshot.usage]


def test_sections_are_counted_separately(memory: Memory) -> None:
    """Privileged callers, others, and watches have sections of different sizes."""
    slots = (
        *(pack_slot(b"root 0", 1), UNUSED, pack_slot(b"root 2", 1)),
        *(UNUSED, pack_slot(b"user 1", 1)),
        *(pack_slot(b"editor", 1, syscall=3), UNUSED, UNUSED, UNUSED),
        *[pack_slot(b"", 9)] * 4,
    )
    loaded = make_loaded(
        slots, max_entries=3, max_user_entries=2, max_watch_entries=4, share=memory
    )
    snapshot = CallMaps(loaded).read()
    assert (
        Usage("calls_privileged", 2, 3),
        Usage("calls_user", 1, 2),
        Usage("inotify_add_watch", 1, 4),
    ) == snapshot.usage
    (watch,) = snapshot.calls["inotify_add_watch"]
    assert "editor" == watch.comm
    assert [
        *("root 0", "root 2", "user 1"),
        *[OTHER_COMM] * 4,
    ] == [call.comm for call in snapshot.calls["fanotify_mark"]]


def test_full_sections(memory: Memory) -> None:
    """The last slot of a section belongs to the section."""
    snapshot = read(memory, *[pack_slot(b"a", 1)] * 6, UNUSED)
    assert [SECTION_SIZE, SECTION_SIZE, 0] == [each.entries for each in snapshot.usage]
    assert {"a"} == {call.comm for call in snapshot.calls["fanotify_mark"]}


def test_overflow_has_the_other_comm(memory: Memory) -> None:
    """Slots behind both sections hold the calls whose keys did not fit."""
    other = pack_slot(b"", 40, flags=0x11, mask=0, error=1)
    (call,) = read(memory, *[UNUSED] * 7, other).calls["fanotify_mark"]
    assert Call(OTHER_COMM, 0x11, 0, 1, 40, call.created) == call


def test_overflow_is_lost_as_map_full(memory: Memory) -> None:
    """Calls whose keys did not fit are lost calls with a reason of their own."""
    counts = ((0, 3), (0, 4), (1, 5))
    others = [pack_slot(b"", count, syscall=number) for number, count in counts]
    snapshot = read(memory, *[pack_slot(b"a", 9)] * 6, *others)
    assert (
        Lost("fanotify_mark", "map_full", 7),
        Lost("fanotify_init", "map_full", 5),
        Lost("inotify_init", "map_full", 0),
        Lost("inotify_add_watch", "map_full", 0),
    ) == snapshot.lost[:4]


def test_other_comm_cannot_be_forged(memory: Memory) -> None:
    """No thread name, of 16 bytes at most, reads as OTHER_COMM."""
    assert len(OTHER_COMM.encode()) > 16
    forged = OTHER_COMM.encode()[:16]
    (call,) = read(memory, pack_slot(forged, 1), *[UNUSED] * 5).calls["fanotify_mark"]
    assert call.comm == comm_text(forged) != OTHER_COMM


def test_counts_are_64_bits(memory: Memory) -> None:
    """A count above 2^53 is exact."""
    slots = (pack_slot(b"a", 2**64 - 1), *[UNUSED] * 5)
    (call,) = read(memory, *slots).calls["fanotify_mark"]
    assert 2**64 - 1 == call.count


def test_lost_calls_have_their_reasons(memory: Memory) -> None:
    """Each entry of the array lost has its reason, and precedes the missed runs."""
    loaded = make_loaded(
        [UNUSED] * 6,
        lost=(7, 0, 1, 2, 3, 4, 5, 6),
        lost_reasons=("no_entry", "other"),
        share=memory,
    )
    assert (
        *NO_MAP_FULL,
        Lost("fanotify_mark", "no_entry", 7),
        Lost("fanotify_mark", "other", 0),
        Lost("fanotify_init", "no_entry", 1),
        Lost("fanotify_init", "other", 2),
        Lost("inotify_init", "no_entry", 3),
        Lost("inotify_init", "other", 4),
        Lost("inotify_add_watch", "no_entry", 5),
        Lost("inotify_add_watch", "other", 6),
        *NO_RECURSION,
    ) == CallMaps(loaded).read().lost


def test_two_probes_of_a_syscall_are_one_row(memory: Memory) -> None:
    """A system call with an entry and an exit program has each reason once."""
    loaded = make_loaded(
        [UNUSED] * 6,
        lost=(3, 0, 0, 0),
        probes=[
            AttachedProbe("fanotify_mark", "tracepoint:enter"),
            AttachedProbe("fanotify_mark", "tracepoint:exit", programs=("program",)),
        ],
        share=memory,
    )
    assert (
        *NO_MAP_FULL,
        Lost("fanotify_mark", "no_entry", 3),
        Lost("fanotify_init", "no_entry", 0),
        Lost("inotify_init", "no_entry", 0),
        Lost("inotify_add_watch", "no_entry", 0),
        *NO_RECURSION,
    ) == CallMaps(loaded).read().lost


def test_calls_by_syscall(memory: Memory) -> None:
    """The C program's number of a system call selects the element of SYSCALLS."""
    slots = [pack_slot(b"p%d" % number, 1, syscall=number) for number in range(4)]
    calls = read(memory, *slots, *[UNUSED] * 2).calls
    assert {
        "fanotify_mark": ["p0"],
        "fanotify_init": ["p1"],
        "inotify_init": ["p2"],
        "inotify_add_watch": ["p3"],
    } == {syscall: [call.comm for call in own] for syscall, own in calls.items()}


def test_layout_and_reasons_that_disagree(memory: Memory) -> None:
    """A lost counter without a reason raises an error."""
    loaded = make_loaded([UNUSED] * 6, lost=(1, 2), share=memory)
    with pytest.raises(ValueError, match="zip"):
        CallMaps(loaded).read()


def test_losses_of_counted_syscalls(memory: Memory) -> None:
    """A system call that is not counted has no lost calls, not even 0, and no map."""
    loaded = replace(
        make_loaded([UNUSED] * 6, share=memory), syscalls=("fanotify_init",)
    )
    snapshot = CallMaps(loaded).read()
    lost = snapshot.lost
    assert {"map_full", "no_entry", "recursion"} == {each.reason for each in lost}
    assert {"fanotify_init"} == {each.probe for each in lost}
    assert ["calls_privileged", "calls_user"] == [each.map for each in snapshot.usage]


def test_no_programs() -> None:
    """Without programs there are no maps, and nothing was counted or lost."""
    snapshot = NoCallMaps().read()
    assert ({}, (), ()) == (snapshot.calls, snapshot.usage, snapshot.lost)
