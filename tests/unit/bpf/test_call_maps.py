"""Memory laid out as the BPF programs lay it out in, samples out."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice

import pytest

from fanotify_exporter.bpf.arrays import SharedArray
from fanotify_exporter.bpf.call_maps import CallMaps
from fanotify_exporter.bpf.loaded import AttachedProbe, Layout, LoadedPrograms
from fanotify_exporter.bpf.samples import (
    OTHER_COMM,
    SYSCALLS,
    Call,
    Lost,
    Snapshot,
    Usage,
)
from fanotify_exporter.uapi.comm import comm_text


Memory = Callable[[bytes], int]

SLOT = struct.Struct("@QIHH16sQQ")
MEMBERS = ("mask", "flags", "error", "syscall", "comm", "created_ns", "count")
UNUSED = bytes(SLOT.size)
CREATORS = Layout(("when_ns", "pid", "ousted_ns"), "@QQQ", 4)
HALF = 3
NONE_UNFIT = tuple(Lost(probe, "map_full", 0) for probe in SYSCALLS)
NONE_SKIPPED = tuple(Lost(probe, "recursion", 0) for probe in SYSCALLS)


def slot(comm: bytes, count: int, *, created_ns: int = 0) -> bytes:
    return SLOT.pack(0x20, 0x1, 0, 0, comm, created_ns, count)


def loaded(  # noqa: PLR0917
    memory: Memory,
    slots: list[bytes],
    lost: tuple[int, ...] = (0, 0, 0),
    reasons: tuple[str, ...] = ("no_entry",),
    hooks: tuple[str, ...] = ("exit",),
    creators: bytes = bytes(96),
) -> LoadedPrograms:
    return LoadedPrograms(
        hook="none",
        probes=tuple(
            AttachedProbe("fanotify_mark", hook, programs=("program",))
            for hook in hooks
        ),
        layouts={
            "slots": Layout(MEMBERS, SLOT.format, len(slots)),
            "lost": Layout(("value",), "@Q", len(lost)),
            "creators": CREATORS,
        },
        lost_reasons=reasons,
        max_entries=HALF,
        sees_compat=True,
        slows_all_syscalls=False,
        bcc="0",
        llvm="0",
        fds={
            "slots": memory(b"".join(slots)),
            "lost": memory(struct.pack(f"@{len(lost)}Q", *lost)),
            "creators": memory(creators),
            "program": memory(b""),
        },
    )


def read(memory: Memory, *slots: bytes) -> Snapshot:
    return CallMaps(loaded(memory, list(slots))).read()


def test_array_is_read_by_its_layout(memory: Memory) -> None:
    """An array gives its entries in order, as the members of the layout."""
    fd = memory(struct.pack("@QI4xQI4x", 2**63, 7, 1, 2**32 - 1))
    array = SharedArray(fd, Layout(("a", "b"), "@QI4x", 2))
    assert [(2**63, 7), (1, 2**32 - 1)] == list(array)


def test_array_larger_than_a_page(memory: Memory) -> None:
    """Entries may lie across pages, and the rest of the last page is no entry."""
    numbers = range(1000)
    fd = memory(struct.pack("@1000Q", *numbers) + b"\xff" * 64)
    array = SharedArray(fd, Layout(("n",), "@Q", len(numbers)))
    assert list(numbers) == [n for (n,) in array]


def test_array_is_shared(memory: Memory) -> None:
    """What is written after the map was made is seen by the next reading."""
    fd = memory(struct.pack("@Q", 1))
    array = SharedArray(fd, Layout(("n",), "@Q", 1))
    assert [(1,)] == list(array)
    os.pwrite(fd, struct.pack("@Q", 2), 0)
    assert [(2,)] == list(array)


def test_array_outlives_its_descriptor() -> None:
    """The memory stays readable when the descriptor is closed."""
    fd = os.memfd_create("array")
    os.ftruncate(fd, os.sysconf("SC_PAGESIZE"))
    os.pwrite(fd, struct.pack("@Q", 5), 0)
    array = SharedArray(fd, Layout(("n",), "@Q", 1))
    os.close(fd)
    assert [(5,)] == list(array)


def test_array_of_a_read_only_descriptor() -> None:
    """Reading needs no right to write: the exporter cannot change a count."""
    fd = os.memfd_create("array")
    os.ftruncate(fd, os.sysconf("SC_PAGESIZE"))
    read_only = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
    os.close(fd)
    array = SharedArray(read_only, Layout(("n",), "@Q", 1))
    os.close(read_only)
    assert [(0,)] == list(array)


def test_unfinished_reading_holds_no_memory(memory: Memory) -> None:
    """A reading that is given up half way does not spoil the next one."""
    fd = memory(struct.pack("@4Q", 1, 2, 3, 4))
    array = SharedArray(fd, Layout(("n",), "@Q", 4))
    assert [(1,), (2,)] == list(islice(array, 2))
    assert 4 == len(list(array))


def test_used_slots_are_calls(memory: Memory) -> None:
    """A slot with a count is a call with every member of its key."""
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    (call,) = read(
        memory,
        SLOT.pack(
            *(2**64 - 1, 0xFFFF_FFFF, 22, 0),
            *(b"fatrace\0left over", 1_500_000_000, 23),
        ),
        *[UNUSED] * 5,
    ).calls["fanotify_mark"]
    assert pytest.approx(booted + 1.5, abs=0.05) == call.created
    assert Call("fatrace", 0xFFFF_FFFF, 2**64 - 1, 22, 23, call.created) == call


def test_since_is_when_the_programs_were_loaded(memory: Memory) -> None:
    """Every snapshot says when they counting_since, maybe for an earlier exporter."""
    uptime = time.clock_gettime(time.CLOCK_BOOTTIME)
    pinned = replace(loaded(memory, [UNUSED] * 6), counting_since=uptime - 3600)
    maps = CallMaps(pinned)
    first, second = maps.read(), maps.read()
    assert pytest.approx(time.time() - 3600, abs=30) == first.counting_since
    assert first.counting_since == second.counting_since


def test_creation_times_do_not_move(memory: Memory) -> None:
    """A counter's birth is the same in every scrape, or rates would break."""
    maps = CallMaps(loaded(memory, [slot(b"a", 1, created_ns=10**9), *[UNUSED] * 5]))
    assert maps.read().calls == maps.read().calls


def test_order_of_members_is_the_layouts(memory: Memory) -> None:
    """The members are found by their names, wherever the C struct has them."""
    fds = {
        "slots": memory(struct.pack("@16sQQQIHH", b"a", 7, 0, 0x20, 0x1, 9, 0)),
        "lost": memory(bytes(32)),
        "creators": memory(bytes(96)),
    }
    names = ("comm", "count", "created_ns", "mask", "flags", "error", "syscall")
    layouts = {
        "slots": Layout(names, "@16sQQQIHH", 1),
        "lost": Layout(("value",), "@Q", 3),
        "creators": CREATORS,
    }
    rearranged = replace(loaded(memory, [UNUSED]), layouts=layouts, fds=fds, probes=())
    (call,) = CallMaps(rearranged).read().calls["fanotify_mark"]
    assert Call("a", 0x1, 0x20, 9, 7, call.created) == call


def test_unused_slots_are_nothing(memory: Memory) -> None:
    """Slots without a count are no calls, also when one was just claimed."""
    claimed = slot(b"claimed", 0, created_ns=5)
    snapshot = read(memory, UNUSED, claimed, UNUSED, *[UNUSED] * 3)
    assert {probe: [] for probe in SYSCALLS} == snapshot.calls
    assert [0, 0] == [usage.entries for usage in snapshot.usage]


def test_halves_are_counted_apart(memory: Memory) -> None:
    """Root's slots and the other users' are two maps, each with its limit."""
    snapshot = read(
        memory,
        *(slot(b"root 0", 1), UNUSED, slot(b"root 2", 1)),
        *(slot(b"user 0", 1), UNUSED, UNUSED),
        *[slot(b"", 9)] * 2 * HALF,
    )
    assert (
        Usage("calls_root", 2, HALF),
        Usage("calls_user", 1, HALF),
    ) == snapshot.usage
    assert [
        *("root 0", "root 2", "user 0"),
        *[OTHER_COMM] * 2 * HALF,
    ] == [call.comm for call in snapshot.calls["fanotify_mark"]]


def test_full_halves(memory: Memory) -> None:
    """The last slot of each half belongs to it."""
    snapshot = read(memory, *[slot(b"a", 1)] * 6, UNUSED)
    assert [HALF, HALF] == [usage.entries for usage in snapshot.usage]
    assert {"a"} == {call.comm for call in snapshot.calls["fanotify_mark"]}


def test_others_have_the_other_comm(memory: Memory) -> None:
    """Slots behind the halves are calls whose key did not fit, by kind."""
    other = SLOT.pack(0, 0x11, 1, 0, b"", 0, 40)
    (call,) = read(memory, *[UNUSED] * 6, UNUSED, other).calls["fanotify_mark"]
    assert Call(OTHER_COMM, 0x11, 0, 1, 40, call.created) == call


def test_calls_that_did_not_fit_are_lost(memory: Memory) -> None:
    """Calls whose key did not fit are a reason of their own, by probe."""
    counts = ((0, 3), (0, 4), (1, 5))
    others = [SLOT.pack(0, 0, 0, n, b"", 0, count) for n, count in counts]
    snapshot = read(memory, *[slot(b"a", 9)] * 6, *others)
    assert (
        Lost("fanotify_mark", "map_full", 7),
        Lost("fanotify_init", "map_full", 5),
        Lost("inotify_init", "map_full", 0),
    ) == snapshot.lost[:3]


def test_other_comm_cannot_be_forged(memory: Memory) -> None:
    """No thread name, of 16 bytes at most, reads as the one for a full map."""
    assert len(OTHER_COMM.encode()) > 16
    forged = OTHER_COMM.encode()[:16]
    (call,) = read(memory, slot(forged, 1), *[UNUSED] * 5).calls["fanotify_mark"]
    assert call.comm == comm_text(forged) != OTHER_COMM


def test_counts_are_64_bits(memory: Memory) -> None:
    """A counter that passed 2^53 keeps its last unit until it is text."""
    (call,) = read(memory, slot(b"a", 2**64 - 1), *[UNUSED] * 5).calls["fanotify_mark"]
    assert 2**64 - 1 == call.count


def test_lost_calls_have_their_reasons(memory: Memory) -> None:
    """Each entry of the lost array goes by its reason, before skipped runs."""
    maps = CallMaps(
        loaded(
            memory,
            [UNUSED] * 6,
            lost=(7, 0, 1, 2, 3, 4),
            reasons=("no_entry", "other"),
        )
    )
    assert (
        *NONE_UNFIT,
        Lost("fanotify_mark", "no_entry", 7),
        Lost("fanotify_mark", "other", 0),
        Lost("fanotify_init", "no_entry", 1),
        Lost("fanotify_init", "other", 2),
        Lost("inotify_init", "no_entry", 3),
        Lost("inotify_init", "other", 4),
        *NONE_SKIPPED,
    ) == maps.read().lost


def test_two_hooks_of_one_probe_are_one_row(memory: Memory) -> None:
    """A probe with an entry and an exit hook has each reason once."""
    maps = CallMaps(
        loaded(memory, [UNUSED] * 6, lost=(3, 0, 0), hooks=("enter", "exit"))
    )
    assert (
        *NONE_UNFIT,
        Lost("fanotify_mark", "no_entry", 3),
        Lost("fanotify_init", "no_entry", 0),
        Lost("inotify_init", "no_entry", 0),
        *NONE_SKIPPED,
    ) == maps.read().lost


def test_calls_go_by_the_probe_that_counted_them(memory: Memory) -> None:
    """The C program's number of a system call says which probe counted it."""
    slots = [SLOT.pack(0, 0, 0, n, b"p%d" % n, 0, 1) for n in range(3)]
    calls = read(memory, *slots, *[UNUSED] * 3).calls
    assert {
        "fanotify_mark": ["p0"],
        "fanotify_init": ["p1"],
        "inotify_init": ["p2"],
    } == {probe: [call.comm for call in own] for probe, own in calls.items()}


def creators_of(*creators: tuple[int, float, float]) -> bytes:
    """Return the map's bytes: pids, when each made a group, and whoever it evicted."""
    return b"".join(
        struct.pack("@QQQ", int(when * 1e9), pid, int(evicted * 1e9))
        for pid, when, evicted in creators
    )


def test_group_creators(memory: Memory) -> None:
    """Who made a group since a moment is found, who did so before is not."""
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    creators = creators_of((100, now - 5, 0), (101, now - 1, 0), (102, now + 1, 0))
    maps = CallMaps(loaded(memory, [UNUSED] * 6, creators=creators))
    assert (frozenset({102}), True) == maps.group_creators(0)
    assert (frozenset({101, 102}), True) == maps.group_creators(3)
    assert (frozenset(), True) == maps.group_creators(-10)


def test_group_creator_whose_place_was_taken(memory: Memory) -> None:
    """Those are not all as long as one that would be among them was overwritten."""
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    creators = creators_of((100, now - 5, now - 9), (1124, now - 1, now - 2))
    maps = CallMaps(loaded(memory, [UNUSED] * 6, creators=creators))
    assert (frozenset({1124}), False) == maps.group_creators(3)
    assert (frozenset({1124}), True) == maps.group_creators(1.5)


def test_layout_and_reasons_that_disagree(memory: Memory) -> None:
    """A lost counter without a reason is a bug to hear of, not to leave out."""
    maps = CallMaps(loaded(memory, [UNUSED] * 6, lost=(1, 2), reasons=("no_entry",)))
    with pytest.raises(ValueError, match="zip"):
        maps.read()
