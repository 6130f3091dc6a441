"""Series of calls with labels dropped or added."""

from __future__ import annotations

import itertools

import pytest

from fanotify_exporter.bpf.samples import Call, Lost, Snapshot
from fanotify_exporter.collectors.catalog import droppable_labels
from fanotify_exporter.collectors.labels import Labelling
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
    """Calls that differ only in dropped labels are one series."""
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
    [
        set(some)
        for number in range(5)
        for some in itertools.combinations(droppable_labels(), number)
    ],
)
def test_no_call_is_dropped_with_a_label(dropped: set[str]) -> None:
    """The sums are the same with any set of labels dropped."""
    found = totals(Labelling(frozenset(dropped)))
    assert [21, 8, 13] == [sum(series.values()) for series in found.values()]


def test_created_is_the_first_of_those_summed() -> None:
    """The creation time of a summed series is the time of its first call."""
    snapshot = Snapshot(1.0, {"fanotify_mark": CALLS}, (), ())
    labelling = Labelling(frozenset({"comm", "mask"}))
    calls, _, _ = MarkCallsCollector(
        lambda: snapshot, labelling, created=True
    ).collect()
    created = [s.value for s in calls.samples if s.name.endswith("_created")]
    assert [4.0, 6.0] == created


def test_container_labels() -> None:
    """With --label.container every series by caller has the labels of its cgroup."""
    names = {7: ("/system.slice/x.service", ""), 8: ("/kubepods/y", "y")}
    found = totals(Labelling(container=names.__getitem__))
    bits = found.pop("fanotify_mark_mask_bit_calls")
    assert {3} == set(map(len, bits))
    for series in found.values():
        assert {("/system.slice/x.service", ""), ("/kubepods/y", "y"), ("", "")} >= {
            labels[-2:] for labels in series
        }
    key = ("b", "add", "mount", "FAN_MARK_ADD|FAN_MARK_MOUNT", "FAN_OPEN")
    assert 5 == found["fanotify_mark_calls"][*key, "/kubepods/y", "y"]
