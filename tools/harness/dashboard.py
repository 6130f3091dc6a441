"""The committed dashboard as Grafana would ask Prometheus for it, without a Grafana."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from grafana.dashboard import PATH
from tools.harness.prometheus_server import Prometheus
from tools.harness.serving import request


STEP_SECONDS = 1
RATE_SECONDS = 4
"""$__rate_interval: four scrapes, which here are a second apart."""

Points = Sequence[tuple[float, float]]
"""Values by their time."""
Series = tuple[dict[str, str], Points]
"""Labels, and what has them."""


@dataclass(frozen=True, slots=True)
class Target:
    """One query of one panel."""

    panel: str
    letter: str
    expression: str
    instant: bool


def document() -> dict[str, Any]:
    """Return the committed dashboard."""
    loaded: dict[str, Any] = json.loads(PATH.read_text())
    return loaded


def choices() -> dict[str, str]:
    """Return the query of each variable that has one, by its name."""
    variables = document()["templating"]["list"]
    return {
        each["name"]: each["query"]["query"]
        for each in variables
        if each["type"] == "query"
    }


def targets() -> Iterator[Target]:
    """Yield every query of every panel, in the order of the page."""
    for panel in document()["panels"]:
        for each in panel.get("targets", ()):
            yield Target(panel["title"], each["refId"], each["expr"], each["instant"])


@dataclass(frozen=True, slots=True)
class View:
    """A dashboard that someone looks at: variables have values, and time an end."""

    prometheus: Prometheus
    seconds: int
    end: float
    variables: Mapping[str, str]

    def fill(self, text: str) -> str:
        """Return *text* as Grafana sends it; no variable is left."""
        values = {
            "__range": f"{self.seconds}s",
            "__rate_interval": f"{RATE_SECONDS}s",
            "__rate_interval_ms": str(RATE_SECONDS * 1000),
            **self.variables,
        }
        return re.sub(r"\$(\w+)", lambda found: values[found[1]], text)

    @property
    def over_time(self) -> dict[str, float]:
        """Return what a range query is told of time."""
        start = self.end - self.seconds
        return {"start": start, "end": self.end, "step": STEP_SECONDS}

    def ask(self, target: Target) -> list[Series]:
        """Return the series of *target*, without points that are not finite."""
        when = {"time": self.end} if target.instant else self.over_time
        return self.query(target.expression, when)

    def query(self, expression: str, when: Mapping[str, float]) -> list[Series]:
        """Return the series of an instant query, or of a range query."""
        path = "query_range" if "step" in when else "query"
        asked = {"query": self.fill(expression), **when}
        found: list[Series] = []
        for each in self.get(path, asked)["result"]:
            read = [(at, float(value)) for at, value in _points(each)]
            finite = [(at, value) for at, value in read if math.isfinite(value)]
            if finite:
                found.append((each["metric"], finite))
        return found

    def values(self, query: str) -> list[str]:
        """Return what a variable offers: label_values(SELECTOR, LABEL)."""
        selector, label = _label_values(self.fill(query))
        offered: list[str] = self.get(f"label/{label}/values", {"match[]": selector})
        return offered

    def get(self, path: str, asked: Mapping[str, object]) -> Any:  # noqa: ANN401
        """Return what Prometheus' API answers."""
        path = f"/api/v1/{path}?{urlencode(asked)}"
        answer = json.loads(request(self.prometheus.address, path).body)
        assert answer["status"] == "success", answer
        return answer["data"]


def opened(prometheus: Prometheus, seconds: int, end: float, **chosen: str) -> View:
    """Look at the last *seconds* until *end*, with all of what is not *chosen*."""
    view = View(prometheus, seconds, end, {})
    for variable in document()["templating"]["list"]:
        if variable["type"] == "query":
            name, query = variable["name"], variable["query"]["query"]
            value = chosen.get(name) or variable.get("allValue")
            value = value or _alternatives(view.values(query))
            view = replace(view, variables={**view.variables, name: value})
    return view


def _alternatives(values: Sequence[str]) -> str:
    """Return a pattern for several values, escaped as a string in PromQL is."""
    escaped = (re.sub(r"([$^*{}\[\]'+?.()|])", r"\\\\\1", each) for each in values)
    return f"({'|'.join(escaped)})"


def _label_values(query: str) -> tuple[str, str]:
    found = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
    assert found, query
    return found[1], found[2]


def _points(series: Mapping[str, Any]) -> Sequence[tuple[float, str]]:
    values: Sequence[tuple[float, str]] = series.get("values") or [series["value"]]
    return values
