"""Recording rules drop every label that their name does not promise."""

from __future__ import annotations

import re

import pytest

from fanotify_exporter.collectors.labels import CONTAINER_LABELS
from tools.harness.golden import registry
from tools.harness.rules import shipped


# Labels of instance:fanotify_counts besides comm and the labels of containers.
OF = {
    "mark_calls": {"action"},
    "mark_errors": {"action", "errno"},
    "init_errors": {"errno"},
    "inotify_limit_errors": {"errno"},
    "privileged_errors": {"errno"},
    "blocking_adds": set[str](),
    "blocking_removals": set[str](),
    "unknown_bits": set[str](),
    "denials": set[str](),
    "unanswered": set[str](),
    "unchecked": {"reason"},
    "dropped": set[str](),
}
# Words of a level, such as instance_comm_errno, that name a label.
LEVELS = {
    **{word: word for word in ("comm", "mark_type", "action", "errno", "uid", "map")},
    **{word: word for word in ("class", "reason", "fstype")},
    "container": "container_id",
}
AGGREGATION = re.compile(
    r"\b(?:sum|count|max|min) (without|by) \((?P<labels>[^)]*)\)\s*(?P<of>\(|vector)"
)
SERIES = re.compile(
    r"(?<![\w:])((?:instance|cluster|fanotify|inotify)\w*:?[\w:]*)(\{[^}]*\})?"
)
# The right side of a set operator, which gives no labels to the result.
FILTER = re.compile(r"\b(?:and|unless) on \([^)]*\)\s+\w+\(\w+\[\w+\]\)")
RECORDS = [
    record
    for record in shipped.records()
    if record.path == shipped.RECORDING and AGGREGATION.search(record.expression)
]


def family_labels() -> dict[str, set[str]]:
    """Return the labels of each series of the exporter, with --label.container."""
    found: dict[str, set[str]] = {}
    for family in registry().scrape().collect():
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    for labels in found.values():
        if "comm" in labels:
            labels.update(CONTAINER_LABELS)
    return found


def promised(name: str, of: str | None) -> set[str]:
    """Return the labels that a recorded series may have besides the target's."""
    if of:
        return OF[of] | {"comm", *CONTAINER_LABELS}
    level = name.partition(":")[0]
    return {
        label
        for word, label in LEVELS.items()
        if re.search(rf"(^|_){word}(_|$)", level)
    }


def inner(expression: str) -> tuple[str, set[str], str]:
    """Return the kind, the labels and the operand of the first aggregation."""
    found = AGGREGATION.search(expression)
    assert found
    depth, start = 0, found.start("of")
    for end in range(start, len(expression)):
        depth += {"(": 1, ")": -1}.get(expression[end], 0)
        if not depth:
            break
    return (
        found[1],
        set(re.findall(r"\w+", found["labels"])),
        expression[start : end + 1],
    )


def input_labels(operand: str) -> set[str]:
    """Return the labels of the series in *operand*, besides the target's."""
    families = family_labels()
    found: set[str] = set()
    for name, selector in SERIES.findall(FILTER.sub("", operand)):
        if name in families:
            found |= families[name]
        elif ":" in name:
            of = re.search(r'of=~?"([\w|]+)"', selector)
            for each in of[1].split("|") if of else [None]:
                found |= promised(name, each) | ({"of"} if each else set())
    return found


@pytest.mark.parametrize("record", RECORDS, ids=lambda each: f"{each.name}-{each.of}")
def test_labels(record: shipped.Record) -> None:
    """
    A record keeps the labels that its name promises, and no other label of its input.

    Every label in a list is one that the input has.
    """
    kind, labels, operand = inner(record.expression)
    available = input_labels(operand)

    if kind == "by":
        kept = labels - {"cluster", "job", "instance"}
    else:
        kept = available - labels
        assert labels - available == set()
    if "histogram_quantile(" in record.expression:
        kept -= {"le"}
    assert promised(record.name, record.of) == kept
