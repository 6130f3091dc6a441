"""Kernel tests hold their counts to the number of runs that the kernel skipped."""

from __future__ import annotations

import pytest

from tools.harness.kernel_calls import missing_calls


@pytest.mark.parametrize(
    ("counted", "lost", "any_syscall"),
    [(84, 0, False), (55, 29, False), (84, 0, True), (84, 900, True), (55, 30, True)],
)
def test_accounted(counted: int, lost: int, *, any_syscall: bool) -> None:
    """Each call is counted or is part of the kernel's figure."""
    assert 84 - counted == missing_calls(84, counted, lost, any_syscall=any_syscall)


@pytest.mark.parametrize(
    ("counted", "lost", "any_syscall"),
    [(83, 0, False), (84, 1, False), (85, 0, False), (55, 28, True), (85, 9, True)],
)
def test_not_accounted(counted: int, lost: int, *, any_syscall: bool) -> None:
    """A missing call that is not reported, or a surplus call, is a failure."""
    with pytest.raises(AssertionError):
        missing_calls(84, counted, lost, any_syscall=any_syscall)


def test_inconclusive() -> None:
    """Missing calls are no failure if the kernel skipped as many runs as calls."""
    with pytest.raises(pytest.skip.Exception):
        missing_calls(84, 55, 84, any_syscall=True)
