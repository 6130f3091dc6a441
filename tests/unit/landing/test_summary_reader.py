"""Summaries of a registry over time."""

from __future__ import annotations

from collections.abc import Iterator

from fanotify_exporter.bpf.samples import Call, Snapshot
from fanotify_exporter.collectors.exporter_health import ExporterHealthCollector
from fanotify_exporter.collectors.mark_calls import MarkCallsCollector
from fanotify_exporter.landing.summary_reader import SummaryReader
from fanotify_exporter.metrics.families import Family
from tools.harness.golden import BOOTED, call_programs


def test_rates_between_two_summaries() -> None:
    """Rates are of the calls between two summaries, and sort the callers."""
    counts = {"once": 1000, "now": 10}

    def collect() -> Iterator[Family]:
        calls = [Call(comm, 1, 1, 0, n, BOOTED) for comm, n in counts.items()]
        snapshot = Snapshot(BOOTED, {"fanotify_mark": calls}, (), ())
        yield from MarkCallsCollector(lambda: snapshot).collect()
        yield from ExporterHealthCollector("", [call_programs(snapshot)]).collect()

    seconds = iter([100.0, 105.0])
    summaries = SummaryReader(clock=lambda: next(seconds))
    summaries.read(collect())
    counts["now"] = 20
    second = summaries.read(collect())
    assert [("now", 2.0), ("once", 0.0)] == [
        (each.comm, each.per_second) for each in second.callers.rows
    ]
    assert 5.0 == second.seconds
