"""
Convert the cases in tests/rules/alerts/*.yml to files for `promtool test rules`.

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

Each host also has `up`, fanotify_exporter_counting_start_time_seconds and two
collectors that work, unless the case gives these series.

All cases without `expected_alert` run in one Prometheus. Each case is a job of its own,
so hosts of several cases may have the same name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tools.harness.rules import shipped, timeline
from tools.harness.rules.timeline import Steps


DAY_BEFORE = -24 * 60
KEYS = {
    *("series", "firing", "unchecked", "missed_scrapes"),
    *("exporter_starts", "interval", "settings", "expected_alert"),
}

Document = dict[str, Any]


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


def documents(alert: shipped.Alert, cases: Sequence[Case]) -> list[Document]:
    """Return promtool files: one for each interval, with the settings and without."""
    parts: dict[tuple[str, bool], list[Case]] = {}
    for case in cases:
        parts.setdefault((case.interval, case.settings), []).append(case)
    return [
        document(alert, part, interval, settings=settings)
        for (interval, settings), part in parts.items()
    ]


def document(
    alert: shipped.Alert, cases: Sequence[Case], interval: str, *, settings: bool
) -> Document:
    """Return one promtool file; its rule groups are in the order of the rule files."""
    files = [
        path for path in shipped.RULE_FILES if settings or path != shipped.SETTINGS
    ]
    separate = [[case] for case in cases if case.expected_alert]
    together = [case for case in cases if not case.expected_alert]
    return {
        **evaluation(files, interval),
        "tests": [
            promtool_test(alert, interval, part)
            for part in (*separate, together)
            if part
        ],
    }


def evaluation(files: Sequence[Path], interval: str) -> Document:
    """Return the part of a promtool file about the rules, in the order of *files*."""
    return {
        "rule_files": [str(path) for path in files],
        "evaluation_interval": interval,
        "group_eval_order": [
            group["name"] for path in files for group in shipped.groups(path)
        ],
    }


def input_series(case: Case) -> list[dict[str, str]]:
    """Return the series of a case in promtool's notation."""
    return [
        {"series": series, "values": " ".join(values)}
        for series, values in scraped(case).items()
    ]


def query_document(
    case: Case, queries: Mapping[int, tuple[str, Mapping[str, float]]]
) -> Document:
    """
    Return one promtool file that evaluates queries over the series of a case.

    Args:
        case: the series.
        queries: by tick a query, and the expected values by the labels of the result,
            such as ``{alertname="FanotifyMarkStorm"}``.
    """
    return {
        **evaluation(shipped.RULE_FILES, case.interval),
        "tests": [
            {
                "interval": case.interval,
                "input_series": input_series(case),
                "promql_expr_test": [
                    {
                        "expr": query,
                        "eval_time": f"{tick}{case.interval[-1]}",
                        "exp_samples": [
                            {"labels": labels, "value": value}
                            for labels, value in expected.items()
                        ],
                    }
                    for tick, (query, expected) in queries.items()
                ],
            }
        ],
    }


def promtool_test(
    alert: shipped.Alert, interval: str, cases: Sequence[Case]
) -> Document:
    """Return one test: series, number of firing alerts at each tick, and texts."""
    return {
        "interval": interval,
        "input_series": [each for case in cases for each in input_series(case)],
        "promql_expr_test": [
            {
                "expr": firing_count(alert, case),
                "eval_time": f"{tick}{interval[-1]}",
                "exp_samples": [{"labels": "{}", "value": int(tick in case.firing)}],
            }
            for case in cases
            for tick in range(timeline.END + 1)
            if tick not in case.unchecked
        ],
        "alert_rule_test": [
            alert_rule_test(alert, case, case.expected_alert)
            for case in cases
            if case.expected_alert
        ],
    }


def firing_count(alert: shipped.Alert, case: Case) -> str:
    """Return an expression: the number of firing alerts of the case or without job."""
    selector = (
        f'ALERTS{{alertname="{alert.name}",alertstate="firing",job=~"|{case.job}"}}'
    )
    return f"count({selector}) or vector(0)"


def alert_rule_test(
    alert: shipped.Alert, case: Case, expected: ExpectedAlert
) -> Document:
    """Return the expectation of one alert with all its labels and texts."""
    job = {"job": case.job} if "instance" in expected.labels else {}
    texts = {"summary": expected.summary, "description": expected.description}
    return {
        "alertname": alert.name,
        "eval_time": f"{expected.at}{case.interval[-1]}",
        "exp_alerts": [
            {
                "exp_labels": {"severity": alert.severity} | job | expected.labels,
                "exp_annotations": alert.annotations | texts,
            }
        ],
    }


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
