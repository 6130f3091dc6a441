"""Table panels: a column for each label, then columns of numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import common, prometheus, table
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.panel_base import (
    RED,
    Levels,
    PanelInfo,
    thresholds,
    value_mappings,
    with_common_options,
    with_ref_ids,
)
from grafana.promql import increase_in_range, sum_by, top_nonzero
from grafana.selectors import MAX_ROWS


# UID of the dashboard, which links to itself.
UID = "fanotify-exporter"
# Reload the dashboard with the clicked cell as the only selected caller.
SELECT_CALLER_URL = (
    f"/d/{UID}?${{datasource:queryparam}}&${{job:queryparam}}&${{instance:queryparam}}"
    "&var-comm=${__value.raw:percentencode}&${__url_time_range}"
)

# Column widths in pixels, by heading. The other columns share the remaining width, so
# that long lists of flag names fit.
WIDTHS = {
    **dict.fromkeys(("Action", "Mark type", "Class"), 90),
    **dict.fromkeys(("Calls", "Failed", "Attached", "Detached", "Uptime"), 80),
    **dict.fromkeys(("Version", "bcc", "Python"), 70),
    **dict.fromkeys(("Caller", "Program", "System call"), 140),
    "Host": 170,
}

# The most frequent errors of fanotify_mark(2); docs/fanotify_mark.md explains all.
ERRNO_TEXTS = {
    "EACCES": "EACCES: no permission to read the object",
    "EBADF": "EBADF: descriptor is not open",
    "EINVAL": "EINVAL: unknown or conflicting flags or mask",
    "ENOENT": "ENOENT: no such file or mark",
    "ENOSPC": "ENOSPC: user reached the mark limit",
    "EPERM": "EPERM: needs CAP_SYS_ADMIN",
}

_GAUGE_CELL = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
_COLOURED_TEXT_CELL = {"type": "color-text"}

# Names and values of a column's field properties, as Grafana's schema has them.
Properties = Iterator[tuple[str, object]]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of numbers: heading, query, unit and colours."""

    heading: str
    expression: str
    unit: str = units.LocaleFormat
    levels: Levels | None = None


def calls_and_errors(calls: str, errors: str, by: str) -> tuple[Column, Column]:
    """Return columns with the number of calls and of failed calls, by labels *by*."""

    def count(series: str) -> str:
        return top_nonzero(MAX_ROWS, sum_by(increase_in_range(series), by))

    return (
        Column("Calls", count(calls)),
        Column("Failed", count(errors), levels={1: RED}),
    )


def table_panel(
    info: PanelInfo, headings: Mapping[str, str], columns: Sequence[Column]
) -> Builder[models.Panel]:
    """
    Return a table, sorted by its first column of numbers.

    Args:
        info: title, description, size and links.
        headings: heading of each label's column, by label.
        columns: columns of numbers, to the right of the labels.
    """
    queries = {each.heading: each.expression for each in columns}
    sort = common.TableSortByFieldState().display_name(columns[0].heading)
    panel = (
        with_common_options(
            table.Panel(), info, units.LocaleFormat, queries, _table_query
        )
        .transformations([_merge_queries(), _name_and_order(headings, columns)])
        .sort_by([sort.desc(desc=True)])
        .inspect(inspect=True)
    )
    properties = {
        heading: _label_properties(label, heading)
        for label, heading in headings.items()
    }
    properties |= {each.heading: _number_properties(each) for each in columns}
    for heading, pairs in properties.items():
        panel.override_by_name(
            heading, [models.DynamicConfigValue(*pair) for pair in pairs]
        )
    return panel


def _table_query(query: prometheus.Dataquery) -> prometheus.Dataquery:
    return query.instant().format(PromQueryFormat.TABLE)


def _label_properties(label: str, heading: str) -> Properties:
    if heading in WIDTHS:
        yield "custom.width", WIDTHS[heading]
    if label == "comm":
        yield "links", [{"title": "Show this caller only", "url": SELECT_CALLER_URL}]
    if label == "errno":
        yield "mappings", [value_mappings(ERRNO_TEXTS)]


def _number_properties(column: Column) -> Properties:
    yield "unit", column.unit
    if column.heading in WIDTHS:
        yield "custom.width", WIDTHS[column.heading]
    if column.unit == units.PercentUnit:
        yield from (("min", 0), ("max", 1), ("custom.cellOptions", _GAUGE_CELL))
    elif column.levels:
        yield "custom.cellOptions", _COLOURED_TEXT_CELL
    if column.levels:
        yield "thresholds", thresholds(column.levels).build()


def _merge_queries() -> models.DataTransformerConfig:
    """Return the transformation that joins all queries: a row for each label set."""
    return models.DataTransformerConfig("merge", options={})


def _name_and_order(
    headings: Mapping[str, str], columns: Sequence[Column]
) -> models.DataTransformerConfig:
    """
    Return the transformation that names and orders the columns.

    Grafana calls a column of numbers after the refId of its query, "Value #A", or
    "Value" where the table has one query.
    """
    one = len(columns) == 1
    names = dict(headings) | {
        "Value" if one else f"Value #{ref_id}": column.heading
        for ref_id, column in with_ref_ids(columns)
    }
    return models.DataTransformerConfig(
        "organize",
        options={
            "excludeByName": {"Time": True},
            "indexByName": {name: place for place, name in enumerate(names)},
            "renameByName": names,
        },
    )
