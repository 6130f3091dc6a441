"""Run the queries of the committed dashboard as Grafana does, without a Grafana."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from grafana.dashboard import PATH
from tools.harness.servers.prometheus import Prometheus
from tools.harness.serving import request


STEP_SECONDS = 1
# $__rate_interval: four scrape intervals of one second each.
RATE_SECONDS = 4

# Timestamps and values.
Points = Sequence[tuple[float, float]]
# Labels of a series, and its points.
Series = tuple[dict[str, str], Points]


@dataclass(frozen=True, slots=True)
class Target:
    """
    One query of one panel.

    Attributes:
        row: title of the row.
        panel: title of the panel.
        ref_id: Grafana's name of the query in the panel: A, B, C, ...
        instant: True for an instant query, False for a range query.
    """

    row: str
    panel: str
    ref_id: str
    expression: str
    instant: bool


def document() -> dict[str, Any]:
    """Return the committed dashboard."""
    loaded: dict[str, Any] = json.loads(PATH.read_text())
    return loaded


def variable_queries() -> dict[str, str]:
    """Return the query of each variable that has one, by the variable's name."""
    variables = document()["templating"]["list"]
    return {
        each["name"]: each["query"]["query"]
        for each in variables
        if each["type"] == "query"
    }


def targets() -> Iterator[Target]:
    """Yield every query of every panel, in the order of the page."""
    row = ""
    for panel in document()["panels"]:
        if panel["type"] == "row":
            row = panel["title"]
        for each in panel.get("targets", ()):
            of_panel = row, panel["title"], each["refId"]
            yield Target(*of_panel, each["expr"], each["instant"])


@dataclass(frozen=True, slots=True)
class View:
    """
    The dashboard with a time range and values for its variables.

    Attributes:
        seconds: length of the time range.
        end: end of the time range, in Unix time.
    """

    prometheus: Prometheus
    seconds: int
    end: float
    variables: Mapping[str, str]

    def interpolate(self, text: str) -> str:
        """Return *text* with every variable replaced by its value."""
        values = {
            "__range": f"{self.seconds}s",
            "__rate_interval": f"{RATE_SECONDS}s",
            "__rate_interval_ms": str(RATE_SECONDS * 1000),
            **self.variables,
        }
        return re.sub(r"\$(\w+)", lambda found: values[found[1]], text)

    @property
    def range_parameters(self) -> dict[str, float]:
        """Start, end and step of a range query."""
        start = self.end - self.seconds
        return {"start": start, "end": self.end, "step": STEP_SECONDS}

    def run(self, target: Target) -> list[Series]:
        """Return the series of *target*, without points that are not finite."""
        when = {"time": self.end} if target.instant else self.range_parameters
        return self.query(target.expression, when)

    def query(self, expression: str, when: Mapping[str, float]) -> list[Series]:
        """
        Return the series of an instant query or a range query.

        Args:
            expression: PromQL, may contain variables.
            when: `time` of an instant query, or `start`, `end` and `step`.
        """
        endpoint = "query_range" if "step" in when else "query"
        parameters = {"query": self.interpolate(expression), **when}
        found: list[Series] = []
        for each in self.get(endpoint, parameters)["result"]:
            points = [(at, float(value)) for at, value in _points(each)]
            finite = [(at, value) for at, value in points if math.isfinite(value)]
            if finite:
                found.append((each["metric"], finite))
        return found

    def values(self, query: str) -> list[str]:
        """Return the values that a variable offers: label_values(SELECTOR, LABEL)."""
        selector, label = _parse_label_values(self.interpolate(query))
        offered: list[str] = self.get(f"label/{label}/values", {"match[]": selector})
        return offered

    def get(self, endpoint: str, parameters: Mapping[str, object]) -> Any:  # noqa: ANN401
        """Return the data that Prometheus' HTTP API answers with."""
        path = f"/api/v1/{endpoint}?{urlencode(parameters)}"
        answer = json.loads(request(self.prometheus.address, path).body)
        assert answer["status"] == "success", answer
        return answer["data"]


def open_view(
    prometheus: Prometheus, seconds: int, end: float, **selected: str
) -> View:
    """Return a view of *seconds* until *end*; variables not in *selected* are All."""
    view = View(prometheus, seconds, end, {})
    for variable in document()["templating"]["list"]:
        if variable["type"] == "query":
            name, query = variable["name"], variable["query"]["query"]
            value = selected.get(name) or variable.get("allValue")
            value = value or _alternatives(view.values(query))
            view = replace(view, variables={**view.variables, name: value})
    return view


def _alternatives(values: Sequence[str]) -> str:
    """Return a pattern for several values, escaped as in a PromQL string."""
    escaped = (re.sub(r"([$^*{}\[\]'+?.()|])", r"\\\\\1", each) for each in values)
    return f"({'|'.join(escaped)})"


def _parse_label_values(query: str) -> tuple[str, str]:
    found = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
    assert found, query
    return found[1], found[2]


def _points(series: Mapping[str, Any]) -> Sequence[tuple[float, str]]:
    values: Sequence[tuple[float, str]] = series.get("values") or [series["value"]]
    return values
