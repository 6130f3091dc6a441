"""The records of the iterator over groups and instances."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from fanotify_exporter.fsnotify import file_iter
from fanotify_exporter.fsnotify.file_iter import RECORD, UNLIMITED, FileIterator
from fanotify_exporter.fsnotify.inventory import Inventory, Kind, OpenFile
from fanotify_exporter.fsnotify.model import Queue, UserCounts
from fanotify_exporter.loader.sources import find_programs
from tools.harness.loaded_fsnotify import make_fsnotify


FANOTIFY, INOTIFY = range(2)


def record(
    address: int = 0x1000,
    *,
    kind: int = FANOTIFY,
    tid: int = 10,
    fd: int = 3,
    started: float = 1.0,
    comm: bytes = b"av",
    uid: int = 0,
    privileged: bool = False,
    charged_uid: int = 0,
    counts: Sequence[int] = (1, 2, 3, 4),
    queue: Sequence[int] = (5, 16384, 0, 0),
) -> bytes:
    return RECORD.pack(
        *(address, int(started * 1e9), 77, comm, *counts),
        *(kind, fd, tid, uid, privileged, charged_uid, *queue),
    )


def list_records(
    monkeypatch: pytest.MonkeyPatch, *records: bytes, users_reason: str = ""
) -> Inventory:
    """Return what the iterator lists if a pass of the link 7 returns *records*."""
    passes = {7: b"".join(records)}

    def read_records(link: int, structure: struct.Struct) -> Iterator[tuple[Any, ...]]:
        return structure.iter_unpack(passes[link])

    monkeypatch.setattr(file_iter, "read_records", read_records)
    return FileIterator(make_fsnotify(7, users_reason)).list()


def test_the_owner_started_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with several processes is one file, owned by the earliest started."""
    found = list_records(
        monkeypatch,
        record(tid=10, started=9.87, comm=b"child", uid=5),
        record(tid=20, started=1.23, comm=b"par\x1bent", uid=6, privileged=True, fd=4),
    )
    expected = OpenFile(
        kind=Kind.FANOTIFY,
        comm=r"par\x1bent",
        uid=6,
        privileged=True,
        descriptors=((123, 20, 4), (987, 10, 3)),
        queue=Queue(length=5, limit=16384),
        cgroup=77,
        charged=2,
        address=0x1000,
    )
    assert (expected,) == found.files


def test_holders_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of ordinary processes the first are known, each once; of privileged ones all."""
    users = [record(tid=tid, started=50.0) for tid in range(100, 120)]
    root = [record(tid=tid, started=99.0, privileged=True) for tid in range(200, 210)]
    (file,) = list_records(monkeypatch, *users, *users, *root, *root).files
    assert [*range(100, 104), *range(200, 210)] == [
        tid for _, tid, _ in file.descriptors
    ]


def test_kinds_and_queues(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each address is a file of its own kind, with its own queue."""
    found = list_records(
        monkeypatch,
        record(0x1000, queue=(0, UNLIMITED, 0, 7)),
        record(0x2000, kind=INOTIFY, queue=(9, 10, 1, 0)),
    )
    assert [
        (Kind.FANOTIFY, Queue(0, None, unanswered=7)),
        (Kind.INOTIFY, Queue(9, 10, overflowed=True)),
    ] == [(each.kind, each.queue) for each in found.files]


def test_counts_of_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user is the one whom the kernel charges, not the owner."""
    records = (
        record(0x1000, charged_uid=0, counts=(1, 2, 3, 4)),
        record(0x2000, uid=0, charged_uid=1000, counts=(5, 6, 7, 8)),
    )
    expected = {0: UserCounts(1, 2, 3, 4), 1000: UserCounts(5, 6, 7, 8)}
    assert expected == list_records(monkeypatch, *records).users
    without = list_records(monkeypatch, *records, users_reason="no ucounts")
    assert without.users is None


def test_nothing_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty pass has the time of its begin."""
    found = list_records(monkeypatch)
    assert ((), {}) == (found.files, found.users)
    assert found.scanned > 0


@pytest.mark.parametrize(
    ("interval", "cpu_seconds", "delay"),
    [
        (2.0, 0.001, 2.0),
        (2.0, 0.4, 2.0),
        (2.0, 3.0, 15.0),
        (30.0, 3.0, 30.0),
    ],
)
def test_delay(interval: float, cpu_seconds: float, delay: float) -> None:
    """Passes come at the interval; long ones seldom enough for the budget."""
    iterator = FileIterator(make_fsnotify(), interval=interval)
    assert delay == pytest.approx(iterator.delay(cpu_seconds))


def test_layout() -> None:
    """The members in C are those of the record, in this order."""
    source = (find_programs() / "fsnotify/iterator.bpf.c").read_text()
    (body,) = re.findall(r"struct file_record \{(.*?)\};", source, re.DOTALL)
    members = re.findall(r"(u\d\d) (\w+)(\[\w+\])?;", body)
    letters = {"u64": "Q", "u32": "I"}
    sizes = {"": "", "[COMM_WORDS]": "16s", "[COUNTS]": "4Q"}
    layout = "".join(sizes[size] or letters[kind] for kind, _, size in members)
    assert RECORD.format == "=" + layout.replace("I" * 10, "10I")
