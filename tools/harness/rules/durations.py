"""
The files of prometheus/ with every duration divided by FACTOR: a minute is a second.

That is all that is changed: `for`, `keep_firing_for`, intervals, waits, and within
expressions the ranges, the offsets and the minutes that are written as `18 * 60`.
Rates stay per second, and what an alert says stays as it is: it speaks of 15
minutes where a test has waited for 15 seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import yaml


FACTOR = 60
DURATION = re.compile(r"(?<![\w:])([\d.]+)(ms|[smhd]| \* 60)\b")
"""A duration of Prometheus, or a number of minutes times 60; not `rate5m`."""

SECONDS = {"ms": 1e-3, "s": 1, "m": 60, " * 60": 60, "h": 3600, "d": 86_400}

TIMED = {
    *("expr", "for", "keep_firing_for", "interval"),
    *("scrape_interval", "evaluation_interval"),
    *("group_wait", "group_interval", "repeat_interval"),
}
"""The keys whose values have durations."""

Leaf = tuple[tuple[str, ...], str]


def faster(path: Path, factor: float = FACTOR) -> dict[str, Any]:
    """Return a file of prometheus/, with durations divided by *factor*."""
    document: dict[str, Any] = _faster(yaml.safe_load(path.read_text()), "", factor)
    return document


def leaves(node: object, *above: str) -> Iterator[Leaf]:
    """Yield each value of a document, and the keys that lead to it."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from leaves(value, *above, key)
    elif isinstance(node, list):
        for value in node:
            yield from leaves(value, *above)
    else:
        yield above, str(node)


def seconds(text: str) -> list[float]:
    """Return the durations in *text*."""
    return [float(number) * SECONDS[unit] for number, unit in DURATION.findall(text)]


def _faster(node: Any, key: str, factor: float) -> Any:  # noqa: ANN401 - what YAML may be
    if isinstance(node, dict):
        return {name: _faster(value, name, factor) for name, value in node.items()}
    if isinstance(node, list):
        return [_faster(each, key, factor) for each in node]
    return DURATION.sub(partial(_shorter, factor), node) if key in TIMED else node


def _shorter(factor: float, found: re.Match[str]) -> str:
    number, unit = float(found[1]) / factor, found[2]
    if unit == " * 60":
        return f"{number:g}{unit}"
    return f"{1000 * number * SECONDS[unit]:.0f}ms"
