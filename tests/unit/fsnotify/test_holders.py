"""Bounds on the group descriptors that a scan knows."""

from __future__ import annotations

import pytest

from fanotify_exporter.fsnotify.descriptors import GroupDescriptor
from fanotify_exporter.fsnotify.holders import (
    MAX_OF_USERS,
    MAX_PER_USER,
    MAX_PRIVILEGED,
    Descriptors,
    Holders,
)


def descriptors(
    pid: int, count: int, *, uid: int = 1000, privileged: bool = False
) -> Descriptors:
    return tuple(
        GroupDescriptor(100, pid, 3 + number, "comm", uid, privileged)
        for number in range(count)
    )


@pytest.fixture
def holders() -> Holders:
    return Holders()


def count(holders: Holders) -> int:
    return sum(map(len, holders))


def test_one_user(holders: Holders) -> None:
    """The processes of one user have a bound together; the rest is counted."""
    for pid in range(5):
        holders.replace(pid, descriptors(pid, 100), 0)
    assert MAX_PER_USER == count(holders)
    assert {2: 44, 3: 100, 4: 100} == holders.left_out
    assert set(range(5)) == holders.pids()
    assert 2 in holders
    assert 3 not in holders


def test_other_users_are_not_displaced(holders: Holders) -> None:
    """A user's flood leaves room for other users."""
    holders.replace(1, descriptors(1, 10_000), 0)
    holders.replace(2, descriptors(2, 7, uid=1001), 0)
    assert MAX_PER_USER + 7 == count(holders)


def test_many_users(holders: Holders) -> None:
    """All users together have a bound, which leaves room for privileged processes."""
    for pid in range(9):
        holders.replace(pid, descriptors(pid, 200, uid=1000 + pid), 0)
    assert MAX_OF_USERS == count(holders)
    holders.replace(99, descriptors(99, 500, uid=0, privileged=True), 0)
    assert MAX_OF_USERS + 500 == count(holders)


def test_many_privileged(holders: Holders) -> None:
    """Privileged processes have a bound of their own."""
    for pid in range(20):
        holders.replace(pid, descriptors(pid, 256, uid=0, privileged=True), 0)
    assert MAX_PRIVILEGED == count(holders)
    assert 20 * 256 - MAX_PRIVILEGED == sum(holders.left_out.values())
    holders.replace(0, (), 0)
    holders.replace(19, descriptors(19, 256, uid=0, privileged=True), 0)
    assert MAX_PRIVILEGED == count(holders)


def test_room_is_given_back(holders: Holders) -> None:
    """Descriptors of a process that ended make room."""
    holders.replace(1, descriptors(1, 300), 0)
    holders.replace(2, descriptors(2, 9), 0)
    assert {1: 44, 2: 9} == holders.left_out
    assert holders.replace(1, (), 0)
    assert {2: 9} == holders.left_out
    holders.replace(2, descriptors(2, 9), 0)
    assert {} == holders.left_out
    assert 9 == count(holders)


def test_inspecting_known_descriptors_keeps_what_was_left_out(holders: Holders) -> None:
    """Only a full inspection of a process, or its end, changes what was left out."""
    holders.replace(1, descriptors(1, 256), 700)
    holders.replace(1, descriptors(1, 200), None)
    assert {1: 700} == holders.left_out
    holders.replace(1, (), None)
    assert {} == holders.left_out


def test_lost_descriptor(holders: Holders) -> None:
    """A known descriptor that is missing now is reported; one left out is not."""
    assert not holders.replace(1, descriptors(1, 300), 0)
    assert not holders.replace(1, descriptors(1, 256), None)
    assert holders.replace(1, descriptors(1, 255), None)


def test_least_recently_inspected_first(holders: Holders) -> None:
    """The process that was inspected last comes last."""
    for pid in (1, 2, 3):
        holders.replace(pid, descriptors(pid, 1), 0)
    holders.replace(1, descriptors(1, 1), None)
    assert [2, 3, 1] == [each[0].pid for each in holders]
