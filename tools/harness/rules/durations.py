"""
Speed up the files of prometheus/: divide every duration by FACTOR.

The divided durations are `for`, `keep_firing_for`, intervals and waits, and in
expressions the ranges, the offsets and numbers of minutes written as `18 * 60`.
Everything else stays the same: rates are per second, and the texts of alerts say
"15 minutes" where a test waits 15 seconds.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import yaml


# A minute becomes a second.
FACTOR = 60

# A duration of Prometheus, or a number of minutes times 60; not `rate5m` in a name.
DURATION = re.compile(r"(?<![\w:])([\d.]+)(ms|[smhd]| \* 60)\b")

SECONDS_BY_UNIT = {"ms": 1e-3, "s": 1, "m": 60, " * 60": 60, "h": 3600, "d": 86_400}

# Keys whose values contain durations.
TIMED_KEYS = {
    *("expr", "for", "keep_firing_for", "interval"),
    *("scrape_interval", "evaluation_interval"),
    *("group_wait", "group_interval", "repeat_interval"),
}


def divide_durations(path: Path, factor: float = FACTOR) -> dict[str, Any]:
    """Return a file of prometheus/ with its durations divided by *factor*."""
    document: dict[str, Any] = _divide(yaml.safe_load(path.read_text()), "", factor)
    return document


def seconds(text: str) -> list[float]:
    """Return the durations in *text* in seconds."""
    return [
        float(number) * SECONDS_BY_UNIT[unit] for number, unit in DURATION.findall(text)
    ]


def _divide(node: Any, key: str, factor: float) -> Any:  # noqa: ANN401 - any YAML value
    if isinstance(node, dict):
        return {name: _divide(value, name, factor) for name, value in node.items()}
    if isinstance(node, list):
        return [_divide(each, key, factor) for each in node]
    if key in TIMED_KEYS:
        return DURATION.sub(partial(_divided, factor), node)
    return node


def _divided(factor: float, found: re.Match[str]) -> str:
    number, unit = float(found[1]) / factor, found[2]
    if unit == " * 60":
        return f"{number:g}{unit}"
    return f"{1000 * number * SECONDS_BY_UNIT[unit]:.0f}ms"
