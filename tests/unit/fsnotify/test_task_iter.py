"""The records of the iterator over waiting tasks."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from fanotify_exporter.fsnotify import task_iter
from fanotify_exporter.fsnotify.task_iter import (
    GROUP_RECORD,
    LIST_CHANGED,
    LIST_COMPLETE,
    LIST_GOES_ON,
    LIST_NOT_READ,
    RECORD_GROUP,
    RECORD_WAITER,
    WAITER_RECORD,
    WaitIterator,
)
from fanotify_exporter.fsnotify.waits import MAX_WAITERS, PermissionGroup, Waiter
from fanotify_exporter.loader.sources import find_programs
from tools.harness.loaded_permission import make_permission


Memory = Callable[[bytes], int]


def group_record(
    address: int = 0x1000,
    *,
    holder: int = 10,
    listener: int = 0,
    position: int = 0,
    end: int = LIST_COMPLETE,
    comm: bytes = b"holder",
    listener_comm: bytes = b"",
    cgroup: int = 0,
    answers: int = 0,
) -> bytes:
    return GROUP_RECORD.pack(
        *(RECORD_GROUP, 1, address, answers, cgroup, holder, listener),
        *(position, end, comm, listener_comm),
    )


def waiter_record(tid: int, since: float = 1.0, *, is_late: bool = False) -> bytes:
    return WAITER_RECORD.pack(
        *(RECORD_WAITER, tid, tid + 1, is_late, 0x1000, int(since * 1e9), 5, b"w\x1b"),
    )


@pytest.fixture
def iterator(memory: Memory) -> WaitIterator:
    loaded = make_permission({}, iterator_reason="", share=memory)
    return WaitIterator(replace(loaded, fds={**loaded.fds, "iterator": 7}))


def use_passes(monkeypatch: pytest.MonkeyPatch, passes: Sequence[bytes]) -> list[int]:
    """Let each pass return the next element of *passes*; return the links read."""
    links: list[int] = []
    left = iter(passes)

    def read_pass(link: int) -> bytes:
        links.append(link)
        return next(left)

    monkeypatch.setattr(task_iter, "read_pass", read_pass)
    return links


def test_group_and_waiters(
    iterator: WaitIterator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A group has all its holders, and waiters come oldest first."""
    records = (
        waiter_record(21, 3.0),
        waiter_record(20, 2.0, is_late=True),
        group_record(holder=10, cgroup=1, answers=4, listener=11, listener_comm=b"av"),
        group_record(holder=11, cgroup=2, listener=11, end=LIST_NOT_READ),
    )
    use_passes(monkeypatch, [b"".join(records)])
    scan = iterator.scan()
    assert (
        PermissionGroup(
            address=0x1000,
            comm="av",
            group_class="content",
            listener=11,
            holders=frozenset({10, 11}),
            waiting=2,
            oldest_since=2.0,
            answers=4,
            cgroup=2,
        ),
    ) == scan.groups
    assert (
        Waiter(20, 21, "w\\x1b", 0x1000, 2.0, is_since_seen=True, cgroup=5),
        Waiter(21, 22, "w\\x1b", 0x1000, 3.0, cgroup=5),
    ) == scan.waiters
    assert scan.is_exact


def test_no_group(iterator: WaitIterator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without permission groups a pass is empty."""
    links = use_passes(monkeypatch, [b""])
    scan = iterator.scan()
    assert ((), ()) == (scan.groups, scan.waiters)
    assert [7] == links


def test_listener_that_is_not_known(
    iterator: WaitIterator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The listener is the first holder until it has answered."""
    use_passes(
        monkeypatch, [group_record(holder=5) + group_record(holder=6, comm=b"o")]
    )
    (group,) = iterator.scan().groups
    assert ("holder", 0, frozenset({5, 6})) == (
        group.comm,
        group.listener,
        group.holders,
    )


def list_part(first: int, number: int, *, position: int, end: int) -> bytes:
    waiters = b"".join(map(waiter_record, range(first, first + number)))
    return waiters + group_record(position=position, end=end)


def test_long_list(iterator: WaitIterator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Further passes go on where the list stopped."""
    passes = [
        list_part(0, 256, position=0, end=LIST_GOES_ON),
        list_part(256, 256, position=256, end=LIST_GOES_ON),
        list_part(512, 9, position=512, end=LIST_COMPLETE),
    ]
    use_passes(monkeypatch, passes)
    scan = iterator.scan()
    assert 521 == scan.groups[0].waiting == len(scan.waiters)
    assert not scan.groups[0].is_cut


def test_list_that_starts_in_the_middle(
    iterator: WaitIterator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest of a list that an earlier scan left is not the whole list."""
    passes = [
        list_part(256, 256, position=256, end=LIST_GOES_ON),
        list_part(0, 256, position=0, end=LIST_GOES_ON),
        list_part(256, 3, position=256, end=LIST_COMPLETE),
    ]
    use_passes(monkeypatch, passes)
    assert 259 == iterator.scan().groups[0].waiting


def test_rest_of_a_list_alone(
    iterator: WaitIterator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scan that begins with the last part of a list begins the list again."""
    passes = [
        list_part(256, 3, position=256, end=LIST_COMPLETE),
        list_part(0, 256, position=0, end=LIST_GOES_ON),
        list_part(256, 3, position=256, end=LIST_COMPLETE),
    ]
    use_passes(monkeypatch, passes)
    assert 259 == iterator.scan().groups[0].waiting


def test_too_many_waiters(
    iterator: WaitIterator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At MAX_WAITERS the scan ends, and says that the list is cut."""
    passes = [
        list_part(first, 256, position=first, end=LIST_GOES_ON)
        for first in range(0, MAX_WAITERS, 256)
    ]
    links = use_passes(monkeypatch, passes)
    (group,) = iterator.scan().groups
    assert MAX_WAITERS == group.waiting
    assert group.is_cut
    assert len(passes) == len(links)


def test_list_that_changed(
    iterator: WaitIterator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a pass read before the list changed counts; the next scan sees the rest."""
    use_passes(monkeypatch, [list_part(0, 3, position=0, end=LIST_CHANGED)])
    (group,) = iterator.scan().groups
    assert (3, False) == (group.waiting, group.is_cut)


def test_list_that_always_starts_again(
    iterator: WaitIterator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine that is too slow for the cursor, a scan ends nevertheless."""
    part = list_part(0, 256, position=0, end=LIST_GOES_ON)
    links = use_passes(monkeypatch, [part] * task_iter.MAX_PASSES)
    (group,) = iterator.scan().groups
    assert (256, True) == (group.waiting, group.is_cut)
    assert task_iter.MAX_PASSES == len(links)


def test_numbers_of_the_program() -> None:
    """Python and the program have the same numbers of records and ends of a list."""
    source = (find_programs() / "permission/iterator.bpf.c").read_text()
    found = re.search(r"enum list_end {(.*?)};", source, re.DOTALL)
    assert found
    names = re.findall(r"LIST_\w+", found[1])
    assert [*range(4)] == [getattr(task_iter, name) for name in names]
    assert f"RECORD_GROUP = {RECORD_GROUP}," in source
    assert f"RECORD_WAITER = {RECORD_WAITER}," in source
    assert "#define MAX_LISTED 256\n" in source
