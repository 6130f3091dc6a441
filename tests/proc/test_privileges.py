"""What a user with some capabilities, or none, sees of other users' groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from tools.harness.listeners import Listener, as_user, listening
from tools.harness.look import look


DAC_READ_SEARCH, SYS_PTRACE, SYS_ADMIN, PERFMON, BPF = 2, 19, 21, 38, 39
NOBODY, OTHER = 65_534, 65_533


@pytest.fixture(scope="module")
def ours() -> Iterator[Listener]:
    """Keep a group of root, with a second descriptor in a child."""
    with listening("init(); fork()") as listener:
        yield listener


def test_root(ours: Listener) -> None:
    """Root sees each group once."""
    seen = look()
    assert "" == seen.inexact_reason
    assert 1 == seen.groups[ours.comm]


def test_both_capabilities(ours: Listener) -> None:
    """CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE show as much as root sees."""
    seen = look(uid=NOBODY, capabilities=[DAC_READ_SEARCH, SYS_PTRACE])
    assert "" == seen.inexact_reason
    assert 1 == seen.groups[ours.comm]
    assert look().unreadable == seen.unreadable


@pytest.mark.parametrize(
    "capabilities",
    [
        [],
        [DAC_READ_SEARCH],
        [SYS_PTRACE],
        [BPF, PERFMON, SYS_ADMIN, DAC_READ_SEARCH],
    ],
)
def test_too_few_capabilities(ours: Listener, capabilities: Sequence[int]) -> None:
    """With less, processes of others refuse, and each is counted; nothing fails."""
    seen = look(uid=NOBODY, capabilities=capabilities)
    assert 0 == seen.groups[ours.comm]
    assert seen.unreadable > look().unreadable + 1


def test_own_processes_need_no_capability() -> None:
    """A user without any sees the own groups, each once, and only those."""
    with (
        listening("init(FID); fork()", prefix=as_user(NOBODY)) as mine,
        listening("init(FID)", prefix=as_user(OTHER)) as other,
    ):
        seen = look(uid=NOBODY, capabilities=[])
        assert (1, 0) == (seen.groups[mine.comm], seen.groups[other.comm])
        assert "" == seen.inexact_reason
