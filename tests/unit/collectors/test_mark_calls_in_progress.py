"""Calls that do not return, as samples."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fanotify_exporter.collectors.bounds import TOO_MANY
from fanotify_exporter.collectors.labels import Labelling
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


def test_containers() -> None:
    """The gauge carries the container of the process, and a user's are bounded."""
    labelling = Labelling(container=lambda cgroup: (f"/{cgroup}", f"c{cgroup}"))
    calls = (replace(CALL, cgroup=5), replace(CALL, cgroup=6))
    collector = MarkCallsInProgressCollector(lambda: calls, labelling)
    (family,) = collector.collect()
    assert [("fapolicyd", "/5", "c5"), ("fapolicyd", "/6", "c6")] == [
        tuple(sample.labels[name] for name in ("comm", "cgroup", "container_id"))
        for sample in family.samples
    ]


def test_no_calls() -> None:
    """Before the first pass there is no family, and then a family without samples."""
    assert [] == list(MarkCallsInProgressCollector(lambda: None).collect())
    assert {} == collect()


def test_bound() -> None:
    """Names that users chose are bounded, and privileged names are not."""
    users = [replace(USER, comm=f"user-{number}") for number in range(150)]
    found = collect(*users, CALL)
    assert {"fapolicyd": 1.0, TOO_MANY: 50.0}.items() <= found.items()
    assert 102 == len(found)


def test_failed_passes() -> None:
    """The collector fails with the passes."""

    def read() -> None:
        raise RuntimeError("scanning for calls in progress hangs")

    with pytest.raises(RuntimeError, match="hangs"):
        list(MarkCallsInProgressCollector(read).collect())
