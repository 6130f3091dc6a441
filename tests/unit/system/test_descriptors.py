"""The limit of open descriptors."""

from __future__ import annotations

import os
import resource

import pytest

from fanotify_exporter.system import descriptors
from fanotify_exporter.system.descriptors import count_free, raise_limit


Limits = tuple[int, int]


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[Limits]:
    """Give the limits that were set; the last ones hold."""
    kept: list[Limits] = []
    monkeypatch.setattr(descriptors, "getrlimit", lambda _: kept[-1])
    monkeypatch.setattr(descriptors, "setrlimit", lambda _, new: kept.append(new))
    return kept


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((1024, 524_288), (4096, 524_288)),
        ((64, 1024), (1024, 1024)),
        ((64, 64), (64, 64)),
        ((1024, resource.RLIM_INFINITY), (4096, resource.RLIM_INFINITY)),
        ((1_048_576, 1_048_576), (1_048_576, 1_048_576)),
        ((resource.RLIM_INFINITY,) * 2, (resource.RLIM_INFINITY,) * 2),
    ],
)
def test_raised_limit(limits: list[Limits], before: Limits, after: Limits) -> None:
    """The soft limit is raised to the hard one, at most to 4096, and never lowered."""
    limits.append(before)
    raise_limit()
    assert after == limits[-1]


def test_limit_that_may_not_be_changed(
    limits: list[Limits], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exporter starts although a seccomp filter refuses setrlimit(2)."""

    def refuse(_: int, __: Limits) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(descriptors, "setrlimit", refuse)
    limits.append((64, 1024))
    raise_limit()
    assert [(64, 1024)] == limits


def test_free_descriptors(limits: list[Limits]) -> None:
    """Descriptors below the limit that are not open are free."""
    limits.append((100, 100))
    before = count_free()
    assert 0 < before < 100
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(5)]
    below = sum(number < 100 for number in opened)
    assert before - below == count_free()
    for each in opened:
        os.close(each)
    assert before == count_free()


def test_no_limit(limits: list[Limits]) -> None:
    """Without a limit there are as many as anything needs."""
    limits.append((resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert 1000 < count_free() <= 4096
