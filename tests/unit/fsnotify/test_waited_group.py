"""Waiting tasks, and the permission groups that they may wait for."""

from __future__ import annotations

import pytest

from fanotify_exporter.fsnotify.model import Group, GroupScan, OwnedGroup
from fanotify_exporter.fsnotify.waited_group import attribute
from fanotify_exporter.fsnotify.waits import PermissionGroup, Waiter, WaitScan


CONTENT, PRE_CONTENT = Group(0x27, ()), Group(0xB, ())
NOTIF = Group(0x3, ())


def waiters(number: int) -> list[Waiter]:
    return [Waiter(n, n, "cat", 0, 5.0 + n, is_since_seen=True) for n in range(number)]


def result(number: int, *owned: OwnedGroup) -> WaitScan:
    """Return the attribution of *number* waiters; process 812 is in cgroup 42."""
    return attribute(
        waiters(number),
        GroupScan(owned, 0, 1.0),
        scanned=99.0,
        cgroup_of=lambda pid: 42 if pid == 812 else 0,
    )


def owned(comm: str, group: Group, *pids: int) -> OwnedGroup:
    return OwnedGroup(comm, 0, group, True, tuple((100, pid, 4) for pid in pids))  # noqa: FBT003


def test_no_group() -> None:
    """Groups that cannot block are no permission groups."""
    scan = result(0, owned("fatrace", NOTIF, 812))
    assert WaitScan((), (), 99.0, is_exact=False) == scan


def test_one_group() -> None:
    """All tasks wait for the only permission group."""
    scan = result(3, owned("fatrace", NOTIF, 811), owned("avd", CONTENT, 812, 813))
    (group,) = scan.groups
    assert group.address
    assert (
        PermissionGroup(
            group.address,
            "avd",
            "content",
            listener=812,
            holders=frozenset({812, 813}),
            waiting=3,
            oldest_since=5.0,
            answers=0,
            cgroup=42,
        )
        == group
    )
    assert [(n, group.address) for n in range(3)] == [
        (waiter.tid, waiter.group) for waiter in scan.waiters
    ]
    assert not scan.is_exact


def test_nobody_waits() -> None:
    """A permission group without waiting tasks has no oldest wait."""
    (group,) = result(0, owned("avd", PRE_CONTENT, 812)).groups
    assert ("pre_content", 0, None) == (
        group.group_class,
        group.waiting,
        group.oldest_since,
    )


@pytest.mark.parametrize(
    ("other", "comm", "group_class", "listener", "holders"),
    [
        (owned("fapolicyd", PRE_CONTENT, 9), "", "", 0, set()),
        (owned("fapolicyd", CONTENT, 9), "", "content", 0, set()),
        (owned("avd", CONTENT, 9), "avd", "content", 0, set()),
        (owned("avd", PRE_CONTENT, 812), "avd", "", 812, {812}),
        (owned("avd", CONTENT, 812, 9), "avd", "content", 812, {812}),
    ],
)
def test_two_groups(
    other: OwnedGroup, comm: str, group_class: str, listener: int, holders: set[int]
) -> None:
    """The tasks wait for some listener, of which is known what all have in common."""
    scan = result(2, owned("avd", CONTENT, 812, 814), other)
    (group,) = scan.groups
    assert (0, 2) == (group.address, group.waiting)
    assert (comm, group_class, listener) == (
        group.comm,
        group.group_class,
        group.listener,
    )
    assert holders == group.holders
    assert [0, 0] == [waiter.group for waiter in scan.waiters]


def test_unknown_group() -> None:
    """Tasks may wait although no permission group is known."""
    for scan in (
        result(2),
        attribute(waiters(2), None, scanned=99.0, cgroup_of=lambda _: 0),
    ):
        (group,) = scan.groups
        assert (0, "", "", 2) == (
            group.address,
            group.comm,
            group.group_class,
            group.waiting,
        )


def test_address_is_of_the_descriptor() -> None:
    """The address stays the same from scan to scan, and differs between groups."""
    first, again, other = (
        result(0, owned("avd", CONTENT, pid)).groups[0].address
        for pid in (812, 812, 813)
    )
    assert first == again != other


@pytest.mark.parametrize(("number", "is_cut"), [(4096, False), (4097, True)])
def test_many(number: int, *, is_cut: bool) -> None:
    """At most 4,096 tasks are counted, and the 256 that wait longest are listed."""
    scan = result(number)
    assert (4096, is_cut) == (scan.groups[0].waiting, scan.groups[0].is_cut)
    assert waiters(256) == list(scan.waiters)
