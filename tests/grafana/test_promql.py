"""per_second() and increase_in_range() in `promtool test rules`."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from grafana.promql import increase_in_range, per_second, quantile, sum_by


EXPORTER = 'fanotify_exporter_build_info{job="j",instance="i"}'
CALLS = 'fanotify_mark_calls_total{job="j",instance="i",comm="c"}'
# The dashboard's time range, and $__rate_interval in minutes. The scrape interval is
# one minute.
RANGE, INTERVAL = "20m", 4


def at(minute: int, expression: str, value: float | None) -> dict[str, object]:
    """Return the expectation that the sum of *expression* is *value* at a minute."""
    samples = [] if value is None else [{"labels": "{}", "value": value}]
    filled = (
        sum_by(expression)
        .replace("$__range", RANGE)
        .replace("$__rate_interval_ms", str(INTERVAL * 60_000))
        .replace("$__rate_interval", f"{INTERVAL}m")
    )
    return {"expr": filled, "eval_time": f"{minute}m", "exp_samples": samples}


def promtool(
    folder: Path, series: dict[str, str], *expected: dict[str, object]
) -> None:
    """Assert *expected* for *series*, which have one value a minute."""
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
    """A new series has the rate of its first value for one interval, and then 0."""
    promtool(
        tmp_path,
        {EXPORTER: "1x60", CALLS: "_x30 12x30"},
        at(29, per_second(CALLS), None),
        *(at(minute, per_second(CALLS), 12 / 240) for minute in range(30, 34)),
        at(34, per_second(CALLS), 0),
    )


def test_quantile_of_a_new_histogram(tmp_path: Path) -> None:
    """A quantile counts the waits from before the first scrape of a histogram too."""
    bucket = 'wait_seconds_bucket{job="j",instance="i",le="%s"}'
    rates = sum_by(per_second('wait_seconds_bucket{job="j",instance="i"}'), "le")
    promtool(
        tmp_path,
        {
            EXPORTER: "1x60",
            bucket % "0.1": "_x30 98x30",
            bucket % "1": "_x30 100x30",
            bucket % "+Inf": "_x30 100x30",
        },
        at(31, f"round({quantile(0.99, rates)}, 0.01)", 0.55),
    )


def test_rate_before_the_first_scrape(tmp_path: Path) -> None:
    """Calls from before the first scrape of an exporter have no rate."""
    promtool(
        tmp_path,
        {EXPORTER: "_x30 1x30", CALLS: "_x30 9000x30"},
        at(30, per_second(CALLS), None),
        *(at(minute, per_second(CALLS), 0) for minute in range(31, 40)),
    )


def test_rate_after_a_missed_scrape(tmp_path: Path) -> None:
    """A series that continues after a missed scrape has no new calls."""
    gap = "x29 stale {}x30"
    promtool(
        tmp_path,
        {EXPORTER: f"1{gap.format(1)}", CALLS: f"9000{gap.format(9000)}"},
        at(30, per_second(CALLS), 0),
        *(at(minute, per_second(CALLS), 0) for minute in range(32, 40)),
    )


def test_increase_is_exact(tmp_path: Path) -> None:
    """The increase is all calls in the time range and no earlier calls."""
    promtool(
        tmp_path,
        {EXPORTER: "1x60", CALLS: "7x34 7+1x9 16x1 108x20"},
        at(30, increase_in_range(CALLS), 0),
        at(50, increase_in_range(CALLS), 101),
        at(60, increase_in_range(CALLS), 96),
    )


def test_increase_of_a_new_series(tmp_path: Path) -> None:
    """The increase of a new series is its value, also after the series has ended."""
    promtool(
        tmp_path,
        {EXPORTER: "1x60", CALLS: "_x30 12x3 stale"},
        at(30, increase_in_range(CALLS), 12),
        at(49, increase_in_range(CALLS), 12),
        at(55, increase_in_range(CALLS), None),
    )


def test_increase_after_a_missed_scrape(tmp_path: Path) -> None:
    """If the range begins with missed scrapes, it starts at the value before them."""
    promtool(
        tmp_path,
        {EXPORTER: "1x60", CALLS: "9000x28 stale _x1 9005x30"},
        at(50, increase_in_range(CALLS), 5),
    )


def test_increase_after_a_restart(tmp_path: Path) -> None:
    """The increase is about the 100 calls before a restart plus the 20 after it."""
    promtool(
        tmp_path,
        {EXPORTER: "1x60", CALLS: "1000x35 1100x10 20x20"},
        at(50, f"({increase_in_range(CALLS)}) > bool 110", 1),
        at(50, f"({increase_in_range(CALLS)}) < bool 130", 1),
    )
