"""Calls in, series by the labels that an operator wants out."""

from __future__ import annotations

import itertools

import pytest

from fanotify_exporter.bpf.samples import Call, Lost, Snapshot
from fanotify_exporter.collectors.labels import DROPPABLE, Labelling
from fanotify_exporter.collectors.mark_calls import MarkCallsCollector


CALLS = (
    Call("a", 0x01, 0x20, 0, 2, 5.0, cgroup=7),
    Call("a", 0x01, 0x30, 9, 3, 4.0, cgroup=7),
    Call("b", 0x11, 0x20, 9, 5, 6.0, cgroup=8),
)
LOST = (Lost("fanotify_mark", "recursion", 11),)


def totals(labelling: Labelling) -> dict[str, dict[tuple[str, ...], float]]:
    """Return the totals of each family, by the values of its labels."""
    snapshot = Snapshot(1.0, {"fanotify_mark": CALLS}, (), LOST)
    return {
        family.name: {
            tuple(sample.labels.values()): sample.value
            for sample in family.samples
            if sample.name.endswith("_total")
        }
        for family in MarkCallsCollector(lambda: snapshot, labelling).collect()
    }


def test_dropped_labels_are_summed_over() -> None:
    """Without flags and mask, calls that differ in nothing else are one series."""
    found = totals(Labelling(frozenset({"flags", "mask"})))
    assert {
        ("a", "add", "inode"): 5,
        ("b", "add", "mount"): 5,
        ("[other: not seen]", "", ""): 11,
    } == found["fanotify_mark_calls"]
    assert {
        ("a", "add", "inode", "EBADF"): 3,
        ("b", "add", "mount", "EBADF"): 5,
    } == found["fanotify_mark_errors"]


@pytest.mark.parametrize(
    "dropped",
    [set(some) for n in range(5) for some in itertools.combinations(DROPPABLE, n)],
)
def test_no_call_is_dropped_with_a_label(dropped: set[str]) -> None:
    """Whatever labels go, the sums stay."""
    found = totals(Labelling(frozenset(dropped)))
    assert [21, 8, 13] == [sum(series.values()) for series in found.values()]


def test_created_is_the_first_of_those_summed() -> None:
    """A series that stands for several has the earliest of their first times."""
    snapshot = Snapshot(1.0, {"fanotify_mark": CALLS}, (), ())
    labelling = Labelling(frozenset({"comm", "mask"}))
    calls, _, _ = MarkCallsCollector(lambda: snapshot, labelling).collect()
    created = [s.value for s in calls.samples if s.name.endswith("_created")]
    assert [4.0, 6.0] == created


def test_container_labels() -> None:
    """With containers on, every series says whose it is, also each bit's."""
    names = {7: ("/system.slice/x.service", ""), 8: ("/kubepods/y", "y")}
    found = totals(Labelling(container=names.__getitem__))
    for series in found.values():
        assert {("/system.slice/x.service", ""), ("/kubepods/y", "y"), ("", "")} >= {
            labels[-2:] for labels in series
        }
    key = ("b", "add", "mount", "FAN_MARK_ADD|FAN_MARK_MOUNT", "FAN_OPEN")
    assert 5 == found["fanotify_mark_calls"][*key, "/kubepods/y", "y"]
