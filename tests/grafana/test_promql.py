"""How the dashboard counts, in Prometheus' own evaluator: promtool test rules."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from grafana.promql import counted, per_second, total


EXPORTER = 'fanotify_exporter_build_info{job="j",instance="i"}'
CALLS = 'fanotify_mark_calls_total{job="j",instance="i",comm="c"}'
RANGE, INTERVAL = "20m", 4
"""What is shown, and what a rate is taken over, in minutes; a scrape takes one."""


def at(minute: int, expression: str, value: float | None) -> dict[str, object]:
    """Expect the sum of *expression* to be *value* at a minute, or to be absent."""
    samples = [] if value is None else [{"labels": "{}", "value": value}]
    filled = (
        total(expression)
        .replace("$__range", RANGE)
        .replace("$__rate_interval_ms", str(INTERVAL * 60_000))
        .replace("$__rate_interval", f"{INTERVAL}m")
    )
    return {"expr": filled, "eval_time": f"{minute}m", "exp_samples": samples}


def promtool(
    folder: Path, series: dict[str, str], *expected: dict[str, object]
) -> None:
    """Hold *expected* against *series*, which have a value a minute."""
    program = shutil.which("promtool") or pytest.skip(
        "no promtool (Debian: prometheus)"
    )
    test = {
        "interval": "1m",
        "input_series": [
            {"series": name, "values": values} for name, values in series.items()
        ],
        "promql_expr_test": list(expected),
    }
    path = folder / "test.yml"  # JSON is YAML
    path.write_text(json.dumps({"evaluation_interval": "1m", "tests": [test]}))
    done = subprocess.run(
        [program, "test", "rules", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_first_calls_have_a_rate(tmp_path: Path) -> None:
    """Twelve calls that are a series' first value are 12 in an interval, and then 0."""
    promtool(
        tmp_path,
        {EXPORTER: "1x60", CALLS: "_x30 12x30"},
        at(29, per_second(CALLS), None),
        *(at(minute, per_second(CALLS), 12 / 240) for minute in range(30, 34)),
        at(34, per_second(CALLS), 0),
    )


def test_an_old_exporter_has_no_rate_at_first(tmp_path: Path) -> None:
    """What it counted before its first scrape was not now."""
    promtool(
        tmp_path,
        {EXPORTER: "_x30 1x30", CALLS: "_x30 9000x30"},
        at(30, per_second(CALLS), None),
        *(at(minute, per_second(CALLS), 0) for minute in range(31, 40)),
    )


def test_a_missed_scrape_is_no_rate(tmp_path: Path) -> None:
    """A series that comes back after a failed scrape has nothing new."""
    gap = "x29 stale {}x30"
    promtool(
        tmp_path,
        {EXPORTER: f"1{gap.format(1)}", CALLS: f"9000{gap.format(9000)}"},
        at(30, per_second(CALLS), 0),
        *(at(minute, per_second(CALLS), 0) for minute in range(32, 40)),
    )


def test_counts_are_to_the_call(tmp_path: Path) -> None:
    """Of the time shown all calls are told, and no earlier one."""
    promtool(
        tmp_path,
        {EXPORTER: "1x60", CALLS: "7x34 7+1x9 16x1 108x20"},
        at(30, counted(CALLS), 0),
        at(50, counted(CALLS), 101),
        at(60, counted(CALLS), 96),
    )


def test_first_calls_are_counted(tmp_path: Path) -> None:
    """A series that is new has all of its calls; one that ended keeps them."""
    promtool(
        tmp_path,
        {EXPORTER: "1x60", CALLS: "_x30 12x3 stale"},
        at(30, counted(CALLS), 12),
        at(49, counted(CALLS), 12),
        at(55, counted(CALLS), None),
    )


def test_a_missed_scrape_costs_no_count(tmp_path: Path) -> None:
    """The range may begin amid missed scrapes: the value before them counts."""
    promtool(
        tmp_path,
        {EXPORTER: "1x60", CALLS: "9000x28 stale _x1 9005x30"},
        at(50, counted(CALLS), 5),
    )


def test_counts_go_on_after_a_restart(tmp_path: Path) -> None:
    """The 100 calls before and the 20 after are told together, if not to the call."""
    promtool(
        tmp_path,
        {EXPORTER: "1x60", CALLS: "1000x35 1100x10 20x20"},
        at(50, f"({counted(CALLS)}) > bool 110", 1),
        at(50, f"({counted(CALLS)}) < bool 130", 1),
    )
