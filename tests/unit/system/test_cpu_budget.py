"""Delays after work, by the CPU time that the work took."""

from __future__ import annotations

import pytest

from fanotify_exporter.system.cpu_budget import CpuBudget


@pytest.mark.parametrize("share", [0.02, 0.05, 1.0])
def test_work_takes_its_share(share: float) -> None:
    """Work of any cost takes the share of a CPU if it starts again after the delay."""
    budget = CpuBudget(share)
    for cost in (0.0, 0.001, 0.5, 300.0):
        assert pytest.approx(cost) == share * budget.delay(cost)


def test_cheap_work_waits_for_the_shortest_delay() -> None:
    """Work that costs little does not start again before the shortest delay."""
    budget = CpuBudget(share=0.02, min_delay=1.0)
    assert 1.0 == budget.delay(0.0199)
    assert pytest.approx(1.5) == budget.delay(0.03)


def test_costly_work_waits_for_the_longest_delay() -> None:
    """Work that costs much starts again after the longest delay."""
    budget = CpuBudget(share=0.01, min_delay=1.0, max_delay=10.0)
    assert pytest.approx(9.0) == budget.delay(0.09)
    assert 10.0 == budget.delay(0.11) == budget.delay(60.0)
