"""Groups of other users that a user with some capabilities, or none, can find."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fanotify_exporter.fsnotify.group_scan import GroupScanner
from fanotify_exporter.fsnotify.proc_scan import ProcScan
from tools.harness.child_scan import scan_in_child
from tools.harness.listeners import Listener, as_user, listening


NOBODY, OTHER = 65_534, 65_533


@pytest.fixture(scope="module")
def root_group() -> Iterator[Listener]:
    """Keep a group of root with a second descriptor in a child."""
    with listening("init(); fork()") as listener:
        yield listener


def test_root(root_group: Listener) -> None:
    """A scan as root counts each group once."""
    scan = scan_in_child()
    assert "" == scan.inexact_reason
    assert 1 == scan.groups[root_group.comm]


def test_both_capabilities(root_group: Listener) -> None:
    """CAP_DAC_READ_SEARCH with CAP_SYS_PTRACE suffice for the same result as root."""
    capabilities = ("CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE")
    scan = scan_in_child(user="nobody", capabilities=capabilities)
    assert "" == scan.inexact_reason
    assert 1 == scan.groups[root_group.comm]
    assert scan_in_child().unreadable == scan.unreadable


@pytest.mark.parametrize(
    "capabilities",
    [
        (),
        ("CAP_DAC_READ_SEARCH",),
        ("CAP_SYS_PTRACE",),
        ("CAP_BPF", "CAP_PERFMON", "CAP_SYS_ADMIN", "CAP_DAC_READ_SEARCH"),
    ],
)
def test_too_few_capabilities(
    root_group: Listener, capabilities: tuple[str, ...]
) -> None:
    """Without both capabilities, other users' processes are counted as unreadable."""
    scan = scan_in_child(user="nobody", capabilities=capabilities)
    assert 0 == scan.groups[root_group.comm]
    assert scan.unreadable > scan_in_child().unreadable + 1


def test_own_processes_need_no_capability() -> None:
    """A user without capabilities finds the groups of own processes, once each."""
    with (
        listening("init(FID); fork()", prefix=as_user(NOBODY)) as own,
        listening("init(FID)", prefix=as_user(OTHER)) as other,
    ):
        scan = scan_in_child(user="nobody")
        assert (1, 0) == (scan.groups[own.comm], scan.groups[other.comm])
        assert "" == scan.inexact_reason


def test_privileged_owners() -> None:
    """An owner is privileged with CAP_SYS_ADMIN on the host, not in a namespace."""
    new_user = ("unshare", "--user", "--map-root-user")
    with (
        listening("init(FID)") as root,
        listening("init(FID)", prefix=as_user(NOBODY)) as user,
        listening("init(FID)", prefix=(*as_user(NOBODY), *new_user)) as contained,
        listening("init(FID)", prefix=("setpriv", "--bounding-set=-sys_admin")) as weak,
    ):
        owned = {each.comm: each for each in GroupScanner(ProcScan()).poll().groups}
        assert [True, False, False, False] == [
            owned[each.comm].privileged for each in (root, user, contained, weak)
        ]
