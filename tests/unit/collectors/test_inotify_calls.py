"""Families of the calls that add inotify watches."""

from __future__ import annotations

from dataclasses import replace

from fanotify_exporter.bpf.samples import OTHER_COMM, Call, Lost, Snapshot
from fanotify_exporter.collectors.call_series import CallFamily
from fanotify_exporter.collectors.catalog import CATALOG
from fanotify_exporter.collectors.inotify_calls import InotifyCallsCollector
from fanotify_exporter.collectors.labels import Labelling
from tools.harness.golden import SOURCES


SINCE = 4.5
ENOENT, ENOSPC = 2, 28


def families(*calls: Call, lost: tuple[Lost, ...] = ()) -> dict[str, CallFamily]:
    snapshot = Snapshot(SINCE, {"inotify_add_watch": calls}, (), lost)
    collector = InotifyCallsCollector(lambda: snapshot)
    return {family.name: family for family in collector.collect()}


def values(family: CallFamily) -> dict[tuple[str, ...], float]:
    """Return the totals by the values of the labels."""
    return {
        tuple(sample.labels.values()): sample.value
        for sample in family.samples
        if sample.name.endswith("_total")
    }


def test_calls_and_errors() -> None:
    """A caller has one series of calls, and one of errors for each errno."""
    found = families(
        Call("code", 0, 0, 0, 98_304, 1.0),
        Call("code", 0, 0, ENOSPC, 12, 2.0),
        Call("systemd", 0, 0, ENOENT, 3, 2.0),
    )
    assert {"inotify_add_watch_calls", "inotify_add_watch_errors"} == set(found)
    assert {("code",): 98_316, ("systemd",): 3} == values(
        found["inotify_add_watch_calls"]
    )
    assert {("code", "ENOSPC"): 12, ("systemd", "ENOENT"): 3} == values(
        found["inotify_add_watch_errors"]
    )


def test_calls_that_found_the_map_full() -> None:
    """If the map was full only the success is known."""
    found = families(Call(OTHER_COMM, 0, 0, 0, 7, 1.0), Call(OTHER_COMM, 0, 0, 1, 5, 1))
    assert {(OTHER_COMM,): 12} == values(found["inotify_add_watch_calls"])
    assert {(OTHER_COMM, ""): 5} == values(found["inotify_add_watch_errors"])


def test_calls_that_no_program_saw() -> None:
    """Calls that a probe missed are in the sum."""
    lost = (
        Lost("inotify_add_watch", "recursion", 3),
        Lost("inotify_init", "recursion", 9),
    )
    found = families(Call("code", 0, 0, 0, 2, 1.0), lost=lost)
    assert {("code",): 2, ("[other: not seen]",): 3} == values(
        found["inotify_add_watch_calls"]
    )


def test_no_labels_of_containers() -> None:
    """With --label.container too, the families have no cgroup; --label.drop works."""
    (info,) = (each for each in CATALOG if each.name == "inotify_calls")
    for dropped, expected in ((frozenset[str](), ("comm",)), (frozenset({"comm"}), ())):
        labelling = Labelling(dropped, lambda cgroup: (f"/{cgroup}", ""))
        collector = info.build(replace(SOURCES, labelling=labelling))
        calls, errors = collector.describe()
        assert isinstance(calls, CallFamily)
        assert isinstance(errors, CallFamily)
        assert (expected, (*expected, "errno")) == (calls.labels, errors.labels)
