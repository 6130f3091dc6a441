"""Bounds on the descriptors that a scan knows."""

from __future__ import annotations

from collections import Counter

import pytest

from fanotify_exporter.fsnotify.descriptors import Descriptor, Descriptors
from fanotify_exporter.fsnotify.holders import BOUNDS, Holders
from fanotify_exporter.fsnotify.inventory import Kind


def descriptors(
    pid: int,
    count: int,
    kind: Kind = Kind.FANOTIFY,
    *,
    uid: int = 1000,
    privileged: bool = False,
) -> Descriptors:
    return tuple(
        Descriptor(100, pid, 3 + number, kind, "comm", uid, privileged)
        for number in range(count)
    )


@pytest.fixture
def holders() -> Holders:
    return Holders()


def known(holders: Holders) -> Counter[int]:
    """Return the number of known descriptors of each process."""
    return Counter(each.pid for each in holders)


@pytest.mark.parametrize("kind", Kind)
def test_one_user(holders: Holders, kind: Kind) -> None:
    """The processes of one user have a bound together; the rest is counted."""
    part = BOUNDS[kind].user * 2 // 5
    for pid in range(5):
        holders.replace(pid, descriptors(pid, part, kind), 0)
    assert {0: part, 1: part, 2: BOUNDS[kind].user - 2 * part} == known(holders)
    assert 5 * part - BOUNDS[kind].user == holders.left_out


def test_kinds_have_bounds_of_their_own(holders: Holders) -> None:
    """In one process and in two, instances leave room for groups."""
    many = BOUNDS[Kind.INOTIFY].user + 7
    holders.replace(1, descriptors(1, many, Kind.INOTIFY), 0)
    holders.replace(2, descriptors(2, 9) + descriptors(2, 1, Kind.INOTIFY), 0)
    assert {1: many - 7, 2: 9} == known(holders)
    assert 8 == holders.left_out


def test_other_users_are_not_displaced(holders: Holders) -> None:
    """A user's flood leaves room for other users."""
    for kind in Kind:
        holders.replace(kind is Kind.INOTIFY, descriptors(1, 10_000, kind), 0)
        holders.replace(7, descriptors(7, 7, kind, uid=1001), 0)
        assert 7 == known(holders)[7]


@pytest.mark.parametrize("kind", Kind)
def test_many_users(holders: Holders, kind: Kind) -> None:
    """All users together have a bound, which leaves room for privileged processes."""
    bounds = BOUNDS[kind]
    for pid in range(9):
        holders.replace(pid, descriptors(pid, bounds.user - 9, kind, uid=1000 + pid), 0)
    assert bounds.users == known(holders).total()
    privileged = descriptors(99, bounds.privileged + 3, kind, uid=0, privileged=True)
    holders.replace(99, privileged, 0)
    assert bounds.privileged == known(holders)[99]


def test_room_is_given_back(holders: Holders) -> None:
    """Descriptors of a process that ended make room."""
    holders.replace(1, descriptors(1, 300), 0)
    holders.replace(2, descriptors(2, 9), 0)
    holders.replace(3, descriptors(3, 4096, uid=0, privileged=True), 0)
    assert 44 + 9 == holders.left_out
    holders.retain({2, 4})
    assert 9 == holders.left_out
    holders.replace(2, descriptors(2, 9), 0)
    holders.replace(4, descriptors(4, 4096, uid=0, privileged=True), 0)
    assert {2: 9, 4: 4096} == known(holders)
    assert 0 == holders.left_out


def test_what_was_not_inspected(holders: Holders) -> None:
    """Descriptors that were not inspected count as left out until the process ends."""
    holders.replace(1, descriptors(1, 300), 700)
    holders.replace(2, (), 1)
    assert 745 == holders.left_out
    holders.replace(1, descriptors(1, 2), 0)
    assert 1 == holders.left_out
    holders.retain([1])
    assert 0 == holders.left_out


def test_process_of_another_user(holders: Holders) -> None:
    """A process that gave up its privileges counts for its user."""
    holders.replace(1, descriptors(1, 300, uid=0, privileged=True), 0)
    assert 0 == holders.left_out
    holders.replace(1, descriptors(1, 300), 0)
    assert 44 == holders.left_out
