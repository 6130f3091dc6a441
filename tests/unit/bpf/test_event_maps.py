"""The maps of the programs that count events, as samples."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from fanotify_exporter.bpf import event_maps
from fanotify_exporter.bpf.event_maps import EventMaps
from fanotify_exporter.bpf.event_samples import (
    FIXED_COMMS,
    OUTCOMES,
    UNPRIVILEGED_COMM,
    ListenerEvents,
)
from fanotify_exporter.bpf.permission_samples import GROUPS_FULL_COMM, UNKNOWN_COMM
from fanotify_exporter.bpf.samples import Lost, Usage
from fanotify_exporter.loader import events
from fanotify_exporter.loader.sources import find_programs
from tools.harness.loaded_events import make_events, pack_total


Memory = Callable[[bytes], int]

HEADER = (find_programs() / "events/events.h").read_text()


def enumerators(name: str) -> list[str]:
    """Return the enumerators of an enum of events.h, without the last one."""
    found = re.search(rf"enum {name} {{(.*?)}}", HEADER, re.DOTALL)
    assert found
    body = re.sub(r"/\*.*?\*/", "", found[1], flags=re.DOTALL)
    return [each.strip() for each in body.split(",") if each.strip()][:-1]


def test_totals(memory: Memory) -> None:
    """Each member of a listener's total is in its samples."""
    total = pack_total(b"auditor\0", outcomes=(5, 6, 7), unchecked=3)
    (found,) = EventMaps(make_events({9: total}, share=memory)).read().listeners
    outcomes = {"queued": 5, "merged": 6, "dropped": 7}
    assert ListenerEvents("auditor", outcomes, 3) == found


def test_cgroups(memory: Memory) -> None:
    """With --label.container a listener has a total for each of its cgroups."""
    totals = {index: pack_total(b"a\0", cgroup=index + 7) for index in range(2)}
    loaded = make_events(totals, container=True, share=memory)
    assert [7, 8] == [each.cgroup for each in EventMaps(loaded).read().listeners]


def test_unclaimed_totals_are_left_out(memory: Memory) -> None:
    """An entry that a program has filled and not claimed is no listener's yet."""
    total = pack_total(b"early\0", claimed=0, outcomes=(1, 0, 0))
    assert () == EventMaps(make_events({0: total}, share=memory)).read().listeners


@pytest.mark.parametrize(
    ("place", "comm"),
    [(0, UNKNOWN_COMM), (1, GROUPS_FULL_COMM), (2, UNPRIVILEGED_COMM)],
)
def test_fixed_totals(place: int, comm: str, memory: Memory) -> None:
    """Events without a listener's name have a fixed name, and no series before."""
    total = pack_total(claimed=0, outcomes=(0, 0, 1))
    loaded = make_events({event_maps.LISTENERS + place: total}, share=memory)
    (found,) = EventMaps(loaded).read().listeners
    assert (comm, 1) == (found.comm, found.outcomes["dropped"])


@pytest.mark.parametrize(("groups", "expected"), [(3, 3), (2**64 - 1, 0)])
def test_usage_and_lost(groups: int, expected: int, memory: Memory) -> None:
    """The use of the map of groups, and what the programs could not count."""
    loaded = make_events({}, groups=groups, lost=7, share=memory)
    snapshot = EventMaps(loaded).read()
    assert loaded.counting_since == snapshot.counting_since
    assert (Usage("event_groups", expected, 256),) == snapshot.usage
    assert Lost("event", "no_entry", 7) in snapshot.lost
    assert Lost("event", "recursion", 0) in snapshot.lost


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("fixed_total", len(FIXED_COMMS)),
        ("outcome", len(OUTCOMES)),
        ("lost_reason", len(events.LOST_REASONS)),
    ],
)
def test_names_of_enumerations(name: str, numbers: int) -> None:
    """Python has a name for each enumerator of the header."""
    assert numbers == len(enumerators(name))


def test_numbers_of_the_header() -> None:
    """The header and Python have the same sizes."""
    defined = dict(re.findall(r"#define (\w+) (\d+)", HEADER))
    assert event_maps.GROUPS == int(defined["GROUPS"])
    assert event_maps.LISTENERS == events.LISTENERS == int(defined["LISTENERS"])
    assert [each.lower() for each in enumerators("outcome")] == [
        f"outcome_{name}" for name in OUTCOMES
    ]
