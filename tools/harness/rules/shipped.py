"""Parse the files of prometheus/ that a release ships: paths, alerts, recordings."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tools import CHECKOUT


FOLDER = CHECKOUT / "prometheus"
RUNBOOKS = CHECKOUT / "docs/runbooks"

SETTINGS = FOLDER / "fanotify-settings.rules.yml"
RECORDING = FOLDER / "fanotify-recording.rules.yml"
ALERTING = FOLDER / "fanotify-alerting.rules.yml"
# In order of evaluation: each file uses series that the files before it record.
RULE_FILES = (SETTINGS, RECORDING, ALERTING)

SCRAPE_EXAMPLE = FOLDER / "prometheus.yml"
ALERTMANAGER_EXAMPLE = FOLDER / "alertmanager.yml"


@dataclass(frozen=True, slots=True)
class Alert:
    """
    An alerting rule.

    Attributes:
        key: the name; with the severity, such as Name.critical, where rules of several
            severities have the name.
        waits: value of `for`, such as 5m; 0m where the rule has none.
    """

    key: str
    name: str
    expression: str
    severity: str
    waits: str
    annotations: dict[str, str]


@dataclass(frozen=True, slots=True)
class Record:
    """
    A recording rule.

    Attributes:
        of: what is counted: the label of instance:fanotify_counts, or None.
        path: the file that has the rule.
    """

    name: str
    expression: str
    of: str | None
    path: Path


def groups(path: Path) -> list[dict[str, Any]]:
    """Return the rule groups of a file."""
    found: list[dict[str, Any]] = yaml.safe_load(path.read_text())["groups"]
    return found


def alerts() -> list[Alert]:
    """Return every alerting rule, in the order of the file."""
    rules = [rule for group in groups(ALERTING) for rule in group["rules"]]
    counts = Counter(rule["alert"] for rule in rules)

    def key(rule: dict[str, Any]) -> str:
        name: str = rule["alert"]
        return name if counts[name] == 1 else f"{name}.{rule['labels']['severity']}"

    return [
        Alert(
            key(rule),
            rule["alert"],
            rule["expr"],
            rule["labels"]["severity"],
            rule.get("for", "0m"),
            rule["annotations"],
        )
        for rule in rules
    ]


def records() -> list[Record]:
    """Return every recording rule of the settings file and the recording file."""
    return [
        Record(rule["record"], rule["expr"], rule.get("labels", {}).get("of"), path)
        for path in (SETTINGS, RECORDING)
        for group in groups(path)
        for rule in group["rules"]
    ]
