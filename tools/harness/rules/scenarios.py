"""
What a case in alerts/*.yml says, as a file that `promtool test rules` runs.

A case tells what Prometheus scraped from a host and when the alert fires, in minutes:

    series: what the exporter gave; {0: 3, 20: 5} is 3 from the start and 5 from minute
        20 on, {20: 1} begins at minute 20, gone ends a series, "+60" rises by 60 a
        minute. The host is db1 where no instance is named.
    firing: ranges such as 20-40, from minute 20 until minute 40 begins; [] is never.
    edge: minutes that are not looked at, because a sample lies on the edge of a range:
        2.x counts it in, 3.x does not.
    missed_scrapes: ranges in which no scrape of any host worked.
    exporter_starts: minutes at which the exporter started; a day before by default, and
        nothing is known of the host before the first.
    interval: "1h" makes the numbers hours.
    settings: false leaves the thresholds out.
    told: what the alert says `at` a minute, text and labels in full.

Each host also has what every target gives, up, and what every exporter gives,
fanotify_exporter_counting_start_time_seconds and two collectors that work, unless the
case gives it.
Cases without `told` share one Prometheus: each is a job of its own, and its hosts are
called like the others'.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tools.harness import shipped


END = 60
"""The last tick that is looked at, in intervals."""

DAY_BEFORE = -24 * 60
KEYS = {
    *("series", "firing", "edge", "missed_scrapes"),
    *("exporter_starts", "interval", "settings", "told"),
}

Steps = Mapping[int, float | str]
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """What an alert says at a tick; the labels are without the job."""

    at: int
    labels: dict[str, str]
    summary: str
    description: str


@dataclass(frozen=True, slots=True)
class Case:
    """One case: what was scraped, and at which ticks the alert fires."""

    name: str
    series: Mapping[str, Steps]
    firing: frozenset[int]
    edge: frozenset[int]
    missed: frozenset[int]
    starts: Sequence[int]
    interval: str
    settings: bool
    told: Told | None

    @property
    def job(self) -> str:
        """The job that is scraped."""
        return f"fanotify-{self.name}"


def read_cases(path: Path) -> list[Case]:
    """Return the cases of a file."""
    return [
        parse_case(name, case)
        for name, case in yaml.safe_load(path.read_text()).items()
    ]


def parse_case(name: str, case: Mapping[str, Any]) -> Case:
    """Return a case; a word that means nothing is an error."""
    assert not set(case) - KEYS, f"{name}: unknown {set(case) - KEYS}"
    return Case(
        name,
        case.get("series", {}),
        ticks(case["firing"]),
        ticks(case.get("edge", [])),
        ticks(case.get("missed_scrapes", [])),
        case.get("exporter_starts", (DAY_BEFORE,)),
        case.get("interval", "1m"),
        case.get("settings", True),
        Told(**case["told"]) if "told" in case else None,
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
    """Return one promtool file; its rule groups run in the order of the files."""
    files = [
        path for path in shipped.RULE_FILES if settings or path != shipped.SETTINGS
    ]
    apart = [[case] for case in cases if case.told]
    together = [case for case in cases if not case.told]
    return {
        "rule_files": [str(path) for path in files],
        "evaluation_interval": interval,
        "group_eval_order": [
            group["name"] for path in files for group in shipped.groups(path)
        ],
        "tests": [
            promtool_test(alert, interval, some) for some in (*apart, together) if some
        ],
    }


def promtool_test(
    alert: shipped.Alert, interval: str, cases: Sequence[Case]
) -> Document:
    """Return one test: the series, the firing alerts at each tick, and the text."""
    return {
        "interval": interval,
        "input_series": [
            {"series": series, "values": " ".join(values)}
            for case in cases
            for series, values in scraped(case)
        ],
        "promql_expr_test": [
            {
                "expr": firing_count(alert, case),
                "eval_time": f"{tick}{interval[-1]}",
                "exp_samples": [{"labels": "{}", "value": int(tick in case.firing)}],
            }
            for case in cases
            for tick in range(END + 1)
            if tick not in case.edge
        ],
        "alert_rule_test": [
            told_test(alert, case, case.told) for case in cases if case.told
        ],
    }


def firing_count(alert: shipped.Alert, case: Case) -> str:
    """Return an expression for how many alerts of a case fire, or of no job at all."""
    selector = (
        f'ALERTS{{alertname="{alert.name}",alertstate="firing",job=~"|{case.job}"}}'
    )
    return f"count({selector}) or vector(0)"


def told_test(alert: shipped.Alert, case: Case, told: Told) -> Document:
    """Return the expectation of one alert with all its labels and its text."""
    job = {"job": case.job} if "instance" in told.labels else {}
    annotations = {"summary": told.summary, "description": told.description}
    expected = {
        "exp_labels": {"severity": alert.severity} | job | told.labels,
        "exp_annotations": alert.annotations | annotations,
    }
    return {
        "alertname": alert.name,
        "eval_time": f"{told.at}{case.interval[-1]}",
        "exp_alerts": [expected],
    }


def scraped(case: Case) -> Iterator[tuple[str, Iterator[str]]]:
    """Yield selector and values of all series: health, and what the case says."""
    series: dict[str, Steps] = {}
    for host in hosts(case) if case.starts else ():
        yield with_host(f'up{{instance="{host}"}}', case), up(case)
        series |= health(host, case)
    series |= {with_host(each, case): steps for each, steps in case.series.items()}
    for selector, steps in series.items():
        recorded = ":" in selector.partition("{")[0]
        yield selector, values(steps, frozenset() if recorded else case.missed)


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


def health(host: str, case: Case) -> dict[str, Steps]:
    """Return what each exporter gives while all is well."""
    first = max(0, case.starts[0])
    seconds = {"1m": 60, "1h": 3600}[case.interval]
    of = f'job="{case.job}",instance="{host}"'
    success = "fanotify_exporter_collector_success"
    return {
        f"fanotify_exporter_counting_start_time_seconds{{{of}}}": {
            max(0, start): start * seconds for start in case.starts
        },
        f'{success}{{{of},collector="mark_calls"}}': {first: 1},
        f'{success}{{{of},collector="groups"}}': {first: 1},
    }


def up(case: Case) -> Iterator[str]:
    """Yield 1, and 0 where a scrape failed."""
    first = max(0, case.starts[0])
    for tick in range(END + 1):
        yield "_" if tick < first else str(int(tick not in case.missed))


def values(steps: Steps, missed: frozenset[int]) -> Iterator[str]:
    """Yield a value for each tick, as promtool wants it; stale where a series ends."""
    value: float | None = None
    rise = 0.0
    for tick in range(END + 1):
        step = steps.get(tick)
        ends = step == "gone" or (tick in missed and value is not None)
        if step == "gone":
            value, rise = None, 0
        elif isinstance(step, str):
            value, rise = value or 0, float(step)
        elif step is not None:
            value, rise = step, 0
        if value is not None:
            value += rise
        yield "stale" if ends else "_" if value is None else f"{value:.12g}"
