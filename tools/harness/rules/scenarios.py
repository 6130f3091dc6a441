"""
Read the cases in tests/rules/alerts/*.yml, and the series of each case.

A case has the series that Prometheus scraped from a host, and the times at which the
alert fires. Times are in minutes:

    series: values that the exporter exposed. {0: 3, 20: 5} is 3 from the start and 5
        from minute 20 on; {20: 1} begins at minute 20; `gone` ends the series; "+60"
        rises by 60 a minute. The host is db1 unless a series has a label `instance`.
    firing: ranges such as 20-40, from minute 20 to minute 39; [] is never.
    unchecked: minutes without an expectation, because a sample lies exactly on the edge
        of a range: Prometheus 2.x includes that sample, 3.x does not.
    missed_scrapes: ranges in which the scrapes of all hosts failed.
    exporter_starts: minutes at which the exporter started. The default is a day before
        the first minute. The host has no series before the first start.
    interval: "1h" makes all times hours.
    settings: false leaves the settings file with the thresholds out.
    expected_alert: labels and texts of the alert, `at` a minute.

Each host also has `up`, fanotify_exporter_counting_start_time_seconds and three
collectors that work, unless the case gives these series.

Each case is a job of its own, so hosts of several cases may have the same name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tools.harness.rules import timeline
from tools.harness.rules.timeline import Steps


DAY_BEFORE = -24 * 60
KEYS = {
    *("series", "firing", "unchecked", "missed_scrapes"),
    *("exporter_starts", "interval", "settings", "expected_alert"),
}


@dataclass(frozen=True, slots=True)
class ExpectedAlert:
    """
    Labels and texts of an alert.

    Attributes:
        at: tick at which the alert fires, in intervals.
        labels: without the label `job`.
    """

    at: int
    labels: dict[str, str]
    summary: str
    description: str


@dataclass(frozen=True, slots=True)
class Case:
    """One case; the module's docstring explains the attributes. Times are in ticks."""

    name: str
    series: Mapping[str, Steps]
    firing: frozenset[int]
    unchecked: frozenset[int]
    missed: frozenset[int]
    starts: Sequence[int]
    interval: str
    settings: bool
    expected_alert: ExpectedAlert | None

    @property
    def job(self) -> str:
        """The label `job` of all series of the case."""
        return f"fanotify-{self.name}"


def read_cases(path: Path) -> list[Case]:
    """Return the cases of a file."""
    return [
        parse_case(name, case)
        for name, case in yaml.safe_load(path.read_text()).items()
    ]


def parse_case(name: str, case: Mapping[str, Any]) -> Case:
    """Return a case; an unknown key is an error."""
    assert not set(case) - KEYS, f"{name}: unknown {set(case) - KEYS}"
    expected = case.get("expected_alert")
    return Case(
        name,
        case.get("series", {}),
        ticks(case["firing"]),
        ticks(case.get("unchecked", [])),
        ticks(case.get("missed_scrapes", [])),
        case.get("exporter_starts", (DAY_BEFORE,)),
        case.get("interval", "1m"),
        case.get("settings", True),
        ExpectedAlert(**expected) if expected else None,
    )


def ticks(ranges: Sequence[str | int]) -> frozenset[int]:
    """Return the ticks of ranges: ["5", "20-40"] is 5 and 20 to 39."""
    found: set[int] = set()
    for text in map(str, ranges):
        first, _, end = text.partition("-")
        found |= set(range(int(first), int(end or int(first) + 1)))
    return frozenset(found)


def scraped(case: Case) -> dict[str, list[str]]:
    """Return promtool's values of all series of a case, by their selectors."""
    found: dict[str, list[str]] = {}
    series: dict[str, Steps] = {}
    for host in hosts(case) if case.starts else ():
        labels = f'job="{case.job}",instance="{host}"'
        found[f"up{{{labels}}}"] = timeline.up(case.starts[0], case.missed)
        series |= timeline.health(labels, case.starts, case.interval)
    series |= {with_host(each, case): steps for each, steps in case.series.items()}
    for selector, steps in series.items():
        recorded = ":" in selector.partition("{")[0]
        missed = frozenset[int]() if recorded else case.missed
        found[selector] = timeline.values(steps, missed)
    return found


def hosts(case: Case) -> list[str]:
    """Return db1 and the other hosts that the case names."""
    named = re.findall(r'instance="([^"]+)"', " ".join(case.series))
    return sorted({"db1", *named})


def with_host(selector: str, case: Case) -> str:
    """Return *selector* with job and instance, unless it has a job or is recorded."""
    name, _, labels = selector.removesuffix("}").partition("{")
    if ":" in name or "job=" in labels:
        return selector
    instance = "" if "instance=" in labels else 'instance="db1"'
    given = ",".join(filter(None, [f'job="{case.job}"', instance, labels]))
    return f"{name}{{{given}}}"
