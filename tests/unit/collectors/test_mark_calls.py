"""Families of fanotify_mark(2) calls."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable

import pytest

from fanotify_exporter.bpf.samples import OTHER_COMM, Call, Lost, Snapshot
from fanotify_exporter.collectors.call_series import CallFamily
from fanotify_exporter.collectors.mark_calls import MarkCallsCollector
from fanotify_exporter.uapi.fanotify import MASK


Labels = tuple[str, ...]

ADD_MOUNT, ADD_INODE, REMOVE, FLUSH = 0x11, 0x01, 0x02, 0x80
OPEN, CLOSE_WRITE, ONDIR = 0x20, 0x08, 0x4000_0000
EBADF, EINVAL = 9, 22
SINCE = 4.5


def collector(*calls: Call, lost: tuple[Lost, ...] = ()) -> MarkCallsCollector:
    return MarkCallsCollector(
        lambda: Snapshot(SINCE, {"fanotify_mark": calls}, (), lost), created=True
    )


def families(*calls: Call, lost: tuple[Lost, ...] = ()) -> dict[str, CallFamily]:
    return {
        family.name.removeprefix("fanotify_mark_"): family
        for family in collector(*calls, lost=lost).collect()
    }


def values(family: CallFamily, suffix: str = "_total") -> dict[Labels, float]:
    """Return the samples with *suffix* by label values; no label set twice."""
    found = [
        (tuple(sample.labels.values()), sample.value)
        for sample in family.samples
        if sample.name == family.name + suffix
    ]
    assert len(dict(found)) == len(found)
    return dict(found)


def test_one_call_has_all_its_labels() -> None:
    """A series has the caller, the action, the type, the flags and the mask."""
    calls = families(Call("fatrace", ADD_MOUNT, OPEN | ONDIR, 0, 12, 5.5))["calls"]
    total, created = calls.samples
    assert "fanotify_mark_calls_total" == total.name
    assert 12 == total.value
    assert "fanotify_mark_calls_created" == created.name
    assert 5.5 == created.value
    assert (
        total.labels
        == created.labels
        == {
            "comm": "fatrace",
            "action": "add",
            "mark_type": "mount",
            "flags": "FAN_MARK_ADD|FAN_MARK_MOUNT",
            "mask": "FAN_OPEN|FAN_ONDIR",
        }
    )


def test_no_calls_are_families_without_series() -> None:
    """Before the first call the families have no series."""
    assert {
        "calls": [],
        "errors": [],
        "mask_bit_calls": [],
    } == {name: list(family.samples) for name, family in families().items()}


def test_describes_what_it_collects() -> None:
    """The collector describes the families that it collects."""
    some = collector(Call("a", ADD_INODE, OPEN, EBADF, 1, 1.0))
    described = [(each.name, each.type, each.documentation) for each in some.describe()]
    collected = [(each.name, each.type, each.documentation) for each in some.collect()]
    assert described == collected
    assert [[], [], []] == [list(family.samples) for family in some.describe()]


def test_counts_are_those_of_the_scrape() -> None:
    """Each scrape builds its families anew, and adds nothing to the last ones."""
    some = collector(Call("a", ADD_INODE, OPEN, 0, 3, 1.0))
    first, second = ([each.counts for each in some.collect()] for _ in range(2))
    assert first == second


def test_equal_labels_are_summed() -> None:
    """Keys with equal labels are one series, created with the first call."""
    calls = families(
        Call("a", ADD_INODE, OPEN, 0, 2, 30.0),
        Call("a", ADD_INODE, OPEN, EBADF, 3, 10.0),
        Call("a", ADD_INODE, OPEN, EINVAL, 5, 20.0),
        Call("b", ADD_INODE, OPEN, 0, 7, 40.0),
    )["calls"]
    key = ("add", "inode", "FAN_MARK_ADD", "FAN_OPEN")
    assert {("a", *key): 10, ("b", *key): 7} == values(calls)
    assert {("a", *key): 10.0, ("b", *key): 40.0} == values(calls, "_created")


def test_errors_are_failures_only() -> None:
    """The family of errors has the failed calls, by errno, and no others."""
    errors = families(
        Call("a", ADD_INODE, OPEN, 0, 2, 30.0),
        Call("a", ADD_INODE, OPEN, EBADF, 3, 10.0),
        Call("a", ADD_INODE, OPEN, EINVAL, 5, 20.0),
    )["errors"]
    key = ("a", "add", "inode", "FAN_MARK_ADD", "FAN_OPEN")
    assert {(*key, "EBADF"): 3, (*key, "EINVAL"): 5} == values(errors)
    assert {(*key, "EBADF"): 10.0, (*key, "EINVAL"): 20.0} == values(errors, "_created")
    assert {*("comm", "action", "mark_type", "flags", "mask", "errno")} == set(
        errors.labels
    )


def test_no_created_samples_by_default() -> None:
    """Without --web.created-samples each series is one sample."""
    calls = {"fanotify_mark": (Call("a", ADD_INODE, OPEN, EBADF, 3, 8.0),)}
    found = MarkCallsCollector(lambda: Snapshot(SINCE, calls, (), ())).collect()
    assert [
        "fanotify_mark_calls_total",
        "fanotify_mark_errors_total",
        "fanotify_mark_mask_bit_calls_total",
    ] == [sample.name for family in found for sample in family.samples]


def test_a_call_counts_once_for_each_mask_bit() -> None:
    """A call with three bits counts in three series, whoever made the call."""
    bits = families(
        Call("a", ADD_INODE, OPEN | ONDIR | 1 << 63, 0, 2, 9.0),
        Call("b", ADD_INODE, OPEN | CLOSE_WRITE, EBADF, 3, 8.0),
        Call("a", REMOVE, OPEN, 0, 5, 7.0),
        Call("a", FLUSH, 0, 0, 11, 6.0),
    )["mask_bit_calls"]
    assert {
        ("add", "inode", "FAN_OPEN"): 5,
        ("add", "inode", "FAN_ONDIR"): 2,
        ("add", "inode", "unknown"): 2,
        ("add", "inode", "FAN_CLOSE_WRITE"): 3,
        ("remove", "inode", "FAN_OPEN"): 5,
    } == values(bits)
    assert 8.0 == values(bits, "_created")["add", "inode", "FAN_OPEN"]
    assert {"action", "mark_type", "bit"} == set(bits.labels)


def test_series_by_bit_are_bounded() -> None:
    """No calls of any user bring the family above 500 series."""
    chance = random.Random(1)
    calls = (
        Call(f"comm{n}", chance.getrandbits(32), chance.getrandbits(64), EINVAL, 1, 1.0)
        for n in range(2000)
    )
    bits = values(families(*calls)["mask_bit_calls"])
    assert 300 < len(bits) <= 4 * 4 * (len(MASK) + 1) < 500


def test_calls_that_found_the_map_full() -> None:
    """If the map was full, flags, mask and errno are empty."""
    found = families(
        Call(OTHER_COMM, ADD_MOUNT, 0, 0, 100, 2.0),
        Call(OTHER_COMM, ADD_MOUNT, 0, 1, 10, 1.0),
        Call(OTHER_COMM, 0x83, 0, 1, 1, 3.0),
    )
    mount = (OTHER_COMM, "add", "mount", "", "")
    invalid = (OTHER_COMM, "invalid", "inode", "", "")
    assert {mount: 110, invalid: 1} == values(found["calls"])
    assert {mount: 1.0, invalid: 3.0} == values(found["calls"], "_created")
    assert {(*mount, ""): 10, (*invalid, ""): 1} == values(found["errors"])
    assert {} == values(found["mask_bit_calls"])


def test_calls_that_no_program_saw() -> None:
    """Calls that the probe missed are one series, so that the sum is exact."""
    found = families(
        Call("a", ADD_INODE, OPEN, 0, 2, 30.0),
        lost=(
            Lost("fanotify_mark", "no_entry", 3),
            Lost("fanotify_mark", "recursion", 4),
            Lost("another_probe", "recursion", 50),
        ),
    )
    missed = ("[other: not seen]", "", "", "", "")
    assert len(missed[0]) > 16, "no thread can have this name"
    assert 7 == values(found["calls"])[missed]
    assert SINCE == values(found["calls"], "_created")[missed]
    assert 9 == sum(values(found["calls"]).values())
    assert {} == values(found["errors"])


def test_nothing_missed_is_no_series() -> None:
    """Without missed calls there is no series for them."""
    found = families(lost=(Lost("fanotify_mark", "recursion", 0),))
    assert {} == values(found["calls"])


@pytest.mark.parametrize("seed", range(2))
def test_sums_are_the_calls_made(seed: int) -> None:
    """No family loses a call or counts a call twice, for any keys."""
    calls = list(random_calls(random.Random(seed)))
    found = families(*calls)

    made = sum(call.count for call in calls)
    assert made == sum(values(found["calls"]).values())

    failed = sum(call.count for call in calls if call.errno)
    assert failed == sum(values(found["errors"]).values())

    named = sum(MASK)
    bits = sum(
        call.count * ((call.mask & named).bit_count() + bool(call.mask & ~named))
        for call in calls
    )
    assert bits == sum(values(found["mask_bit_calls"]).values())

    by_comm: Counter[str] = Counter()
    for call in calls:
        by_comm[call.comm] += call.count
    exported: Counter[str] = Counter()
    for labels, value in values(found["calls"]).items():
        exported[labels[0]] += int(value)
    assert by_comm == exported


def random_calls(chance: random.Random) -> Iterable[Call]:
    """Make calls of few distinct parts, so that many labels coincide."""
    for _ in range(500):
        comm = chance.choice(["a", "b", "", r"\xff", OTHER_COMM])
        other = comm == OTHER_COMM
        yield Call(
            comm=comm,
            flags=chance.getrandbits(9) & (0x193 if other else 0x1FF),
            mask=0 if other else chance.choice([0, OPEN, chance.getrandbits(64)]),
            errno=chance.choice([0, 1] if other else [0, 0, EBADF, EINVAL, 512]),
            count=chance.randrange(1, 1 << 40),
            created=chance.uniform(1e9, 2e9),
        )
