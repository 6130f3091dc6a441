"""The records of the iterator over threads inside fanotify_mark(2)."""

from __future__ import annotations

import re

import pytest

from fanotify_exporter.fsnotify import call_iter
from fanotify_exporter.fsnotify.call_iter import RECORD, CallIterator
from fanotify_exporter.fsnotify.calls_in_progress import CallTracker, OngoingCall
from fanotify_exporter.loader.sources import find_programs
from tools.harness.loaded_fsnotify import make_fsnotify


RECORDS = (
    RECORD.pack(5_000_000_000, 77, b"fapolicyd", 2**64 - 1, 9, 4711, 1),
    RECORD.pack(6_000_000_000, 78, b"in\x1bdexer", 3, 8, 4712, 0),
)
PRIVILEGED = OngoingCall(
    tid=4711,
    started=5_000_000_000,
    comm="fapolicyd",
    privileged=True,
    registers=2**64 - 1,
    sleeps=9,
    cgroup=77,
)


@pytest.fixture
def iterator(monkeypatch: pytest.MonkeyPatch) -> CallIterator:
    """Give an iterator whose passes have RECORDS, 10 seconds apart."""
    passes = {8: b"".join(RECORDS)}
    monkeypatch.setattr(call_iter, "read_pass", passes.__getitem__)
    seconds = iter(range(0, 100, 10))
    return CallIterator(make_fsnotify(calls=8), CallTracker(lambda: next(seconds)))


def test_records(iterator: CallIterator) -> None:
    """Each record is a thread, with a printable name."""
    first, second = iterator.list()
    assert PRIVILEGED == first
    assert (r"in\x1bdexer", False) == (second.comm, second.privileged)


def test_polls(iterator: CallIterator) -> None:
    """The second poll tells the calls, and the next is due after 5 seconds."""
    assert () == iterator.poll()
    assert PRIVILEGED in iterator.poll()
    assert 5.0 <= iterator.delay() <= 30.0


def test_layout() -> None:
    """The members in C are those of the record, in this order."""
    source = (find_programs() / "fsnotify/mark_calls.bpf.c").read_text()
    (body,) = re.findall(r"struct call_record \{(.*?)\};", source, re.DOTALL)
    members = re.findall(r"(u\d\d) \w+(\[\w+\])?;", body)
    letters = {"u64": "Q", "u32": "I"}
    sizes = {"": "", "[COMM_WORDS]": "16s"}
    assert RECORD.format == "=" + "".join(
        sizes[size] or letters[kind] for kind, size in members
    )
