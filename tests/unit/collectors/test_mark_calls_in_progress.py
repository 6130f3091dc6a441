"""Calls that do not return, as samples."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fanotify_exporter.collectors import bounds
from fanotify_exporter.collectors.mark_calls_in_progress import (
    MarkCallsInProgressCollector,
)
from fanotify_exporter.fsnotify.calls_in_progress import OngoingCall


CALL = OngoingCall(23, 1, "fapolicyd", privileged=True, registers=7, sleeps=100)
USER = replace(CALL, comm="indexer", privileged=False)


def collect(*calls: OngoingCall) -> dict[str, float]:
    (family,) = MarkCallsInProgressCollector(lambda: calls).collect()
    return {sample.labels["comm"]: sample.value for sample in family.samples}


def test_samples() -> None:
    """Threads are counted by the name of their process."""
    assert {"fapolicyd": 2.0, "indexer": 1.0} == collect(CALL, USER, CALL)


def test_no_calls() -> None:
    """Before the first pass there is no family, and then a family without samples."""
    assert [] == list(MarkCallsInProgressCollector(lambda: None).collect())
    assert {} == collect()


def test_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that users chose are bounded."""
    monkeypatch.setattr(bounds, "MAX_NAMES", 2)
    users = [replace(USER, comm=f"user-{number}") for number in range(5)]
    assert {
        "fapolicyd": 1.0,
        "user-0": 1.0,
        "user-1": 1.0,
        bounds.TOO_MANY: 3.0,
    } == collect(*users, CALL)


def test_failed_passes() -> None:
    """The collector fails with the passes."""

    def read() -> None:
        raise RuntimeError("scanning for calls in progress hangs")

    with pytest.raises(RuntimeError, match="hangs"):
        list(MarkCallsInProgressCollector(read).collect())
