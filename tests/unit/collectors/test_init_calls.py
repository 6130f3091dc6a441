"""Families of the calls that create fanotify groups and inotify instances."""

from __future__ import annotations

import os

from fanotify_exporter.bpf.samples import OTHER_COMM, Call, Lost, Snapshot
from fanotify_exporter.collectors.call_series import CallFamily
from fanotify_exporter.collectors.init_calls import InitCallsCollector


SINCE = 4.5
EINVAL, EMFILE = 22, 24
LARGEFILE = 0x20000 if os.uname().machine == "aarch64" else 0x8000


def families(
    probe: str, *calls: Call, lost: tuple[Lost, ...] = ()
) -> dict[str, CallFamily]:
    collector = InitCallsCollector(lambda: Snapshot(SINCE, {probe: calls}, (), lost))
    return {family.name: family for family in collector.collect()}


def values(family: CallFamily) -> dict[tuple[str, ...], float]:
    """Return the totals by the values of the labels that are not empty."""
    return {
        tuple(sample.labels.values()): sample.value
        for sample in family.samples
        if sample.name.endswith("_total")
    }


def test_fanotify_init() -> None:
    """A series has the caller, the class, and the flags of group and events."""
    found = families(
        "fanotify_init", Call("fapolicyd", 0x46, 0x80000 | LARGEFILE, 0, 3, 1.0)
    )
    labels = next(found["fanotify_init_calls"].samples).labels
    assert {
        "comm": "fapolicyd",
        "class": "content",
        "flags": "FAN_NONBLOCK|FAN_CLASS_CONTENT|FAN_ENABLE_AUDIT",
        "event_f_flags": "O_RDONLY|O_LARGEFILE|O_CLOEXEC",
    } == labels
    assert {} == values(found["fanotify_init_errors"])
    assert {} == values(found["inotify_init_calls"])


def test_groups_that_were_refused() -> None:
    """A failed call is in both families, with its errno in the second."""
    call = Call("gadget", 0x5, 0, EMFILE, 128, 1.0)
    key = ("gadget", "content", "FAN_CLOEXEC|FAN_CLASS_CONTENT", "O_RDONLY")
    found = families("fanotify_init", call)
    assert {key: 128} == values(found["fanotify_init_calls"])
    assert {(*key, "EMFILE"): 128} == values(found["fanotify_init_errors"])


def test_inotify_init() -> None:
    """inotify_init(2) and inotify_init1(2) without flags are one series."""
    found = families(
        "inotify_init",
        Call("tail", 0, 0, 0, 2, 1.0),
        Call("tail", 0, 0, 0, 3, 2.0),
        Call("systemd", 0x80800, 0, EINVAL, 1, 2.0),
    )
    assert {("tail", "0"): 5, ("systemd", "IN_NONBLOCK|IN_CLOEXEC"): 1} == values(
        found["inotify_init_calls"]
    )
    assert {("systemd", "IN_NONBLOCK|IN_CLOEXEC", "EINVAL"): 1} == values(
        found["inotify_init_errors"]
    )


def test_calls_that_found_the_map_full() -> None:
    """If the map was full only the class and the success are known."""
    found = families("fanotify_init", Call(OTHER_COMM, 0x8, 0, 1, 7, 1.0))
    key = (OTHER_COMM, "pre_content", "", "")
    assert {key: 7} == values(found["fanotify_init_calls"])
    assert {(*key, ""): 7} == values(found["fanotify_init_errors"])

    found = families("inotify_init", Call(OTHER_COMM, 0, 0, 0, 9, 1.0))
    assert {(OTHER_COMM, ""): 9} == values(found["inotify_init_calls"])


def test_calls_that_no_program_saw() -> None:
    """Calls that a probe missed are in the family of that system call."""
    lost = (Lost("fanotify_init", "no_entry", 2), Lost("inotify_init", "recursion", 3))
    found = families("fanotify_init", lost=lost)
    missed = "[other: not seen]"
    assert {(missed, "", "", ""): 2} == values(found["fanotify_init_calls"])
    assert {(missed, ""): 3} == values(found["inotify_init_calls"])
