"""Tables: a column for each label, then the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import common, prometheus, table
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.panel_base import RED, About, Levels, dressed, lettered, thresholds, words
from grafana.promql import busiest, counted, total
from grafana.selectors import ROWS


UID = "fanotify-exporter"
"""Of the dashboard, by which it links to itself."""
ONLY_THIS_CALLER = (
    f"/d/{UID}?${{datasource:queryparam}}&${{job:queryparam}}&${{instance:queryparam}}"
    "&var-comm=${__value.raw:percentencode}&${__url_time_range}"
)

WIDTHS = {
    **dict.fromkeys(("Action", "Object", "Class"), 90),
    **dict.fromkeys(("Calls", "Refused", "Attached", "Off", "Up for"), 80),
    **dict.fromkeys(("Version", "bcc", "Python"), 70),
    **dict.fromkeys(("Caller", "Program", "Counts"), 140),
    "Host": 170,
}
"""Of columns, in pixels; the others share what is left, so that names of bits fit."""

_GAUGE = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
_COLOURED = {"type": "color-text"}

Properties = Iterator[tuple[str, object]]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of numbers: its head, its query and its looks."""

    head: str
    expression: str
    unit: str = units.LocaleFormat
    levels: Levels | None = None


def calls_and_refused(calls: str, errors: str, by: str) -> tuple[Column, Column]:
    """Return how many calls there were for each value of *by*, and how many failed."""
    return (
        Column("Calls", busiest(ROWS, total(counted(calls), by))),
        Column("Refused", busiest(ROWS, total(counted(errors), by)), levels={1: RED}),
    )


def listing(
    about: About,
    heads: Mapping[str, str],
    columns: Sequence[Column],
    *,
    texts: Mapping[str, str] | None = None,
) -> Builder[models.Panel]:
    """
    Return a table, sorted by its first column of numbers.

    Args:
        about: what every panel has.
        heads: the head of the column of each label.
        columns: the numbers, which follow.
        texts: what to write for an errno.
    """
    queries = {each.head: each.expression for each in columns}
    first = common.TableSortByFieldState().display_name(columns[0].head).desc(desc=True)
    panel = (
        dressed(table.Panel(), about, units.LocaleFormat, queries, _as_table)
        .transformations([_merged(), _organised(heads, columns)])
        .sort_by([first])
        .inspect(inspect=True)
    )
    looks = {head: _label(name, head, texts) for name, head in heads.items()}
    looks |= {each.head: _number(each) for each in columns}
    for head, properties in looks.items():
        panel.override_by_name(
            head, [models.DynamicConfigValue(*each) for each in properties]
        )
    return panel


def _as_table(query: prometheus.Dataquery) -> prometheus.Dataquery:
    return query.instant().format(PromQueryFormat.TABLE)


def _label(name: str, head: str, texts: Mapping[str, str] | None) -> Properties:
    if head in WIDTHS:
        yield "custom.width", WIDTHS[head]
    if name == "comm":
        yield "links", [{"title": "Only this caller", "url": ONLY_THIS_CALLER}]
    if name == "errno" and texts:
        yield "mappings", [words(texts)]


def _number(column: Column) -> Properties:
    yield "unit", column.unit
    if column.head in WIDTHS:
        yield "custom.width", WIDTHS[column.head]
    if column.unit == units.PercentUnit:
        yield from (("min", 0), ("max", 1), ("custom.cellOptions", _GAUGE))
    elif column.levels:
        yield "custom.cellOptions", _COLOURED
    if column.levels:
        yield "thresholds", thresholds(column.levels).build()


def _merged() -> models.DataTransformerConfig:
    """Make one table of the answers, a row for each set of labels."""
    return models.DataTransformerConfig("merge", options={})


def _organised(
    heads: Mapping[str, str], columns: Sequence[Column]
) -> models.DataTransformerConfig:
    """Name and order the columns; Grafana calls those of numbers after their query."""
    one = len(columns) == 1
    names = dict(heads) | {
        "Value" if one else f"Value #{letter}": column.head
        for letter, column in lettered(columns)
    }
    return models.DataTransformerConfig(
        "organize",
        options={
            "excludeByName": {"Time": True},
            "indexByName": {name: place for place, name in enumerate(names)},
            "renameByName": names,
        },
    )
