"""
Make files for `promtool test rules` from cases.

All cases without `expected_alert` run in one Prometheus.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.harness.rules import shipped, timeline
from tools.harness.rules.scenarios import Case, ExpectedAlert, scraped


Document = dict[str, Any]


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
        f'ALERTS{{alertname="{alert.name}",severity="{alert.severity}",'
        f'alertstate="firing",job=~"|{case.job}"}}'
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
