"""
Options that every panel has.

A panel has a title, a description, a unit, and a link to the runbook of each alert that
is about the values it shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    dashboard,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import dashboard as models


SOURCE = models.DataSourceRef("prometheus", "${datasource}")
DOCS = "https://github.com/fanotify-exporter/fanotify-exporter/blob/main/docs"

GREEN, YELLOW, RED = "green", "yellow", "red"

# Colour by the lowest value that has it. Values below the first are green.
Levels = Mapping[float, str]

# Sets the time (instant or range) and the format of a query.
QueryMode = Callable[[prometheus.Dataquery], prometheus.Dataquery]

P = TypeVar(
    "P",
    bargauge.Panel,
    heatmap.Panel,
    stat.Panel,
    statetimeline.Panel,
    table.Panel,
    timeseries.Panel,
)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PanelInfo:
    """
    Title, description, size and links of a panel.

    Attributes:
        title: what the panel shows.
        description: how to read the panel, and what it leaves out.
        width: in the 24 columns of the grid.
        height: in rows of the grid, 30 pixels each.
        runbooks: names of the alerts whose runbooks the panel links to.
    """

    title: str
    description: str
    width: int = 8
    height: int = 8
    runbooks: Sequence[str] = ()


def with_common_options(
    panel: P, info: PanelInfo, unit: str, queries: Mapping[str, str], mode: QueryMode
) -> P:
    """
    Set the options that every panel has, and return *panel*.

    Args:
        panel: a builder of any panel type.
        info: title, description, size and links.
        unit: unit of the values.
        queries: expressions by the legend of their series.
        mode: sets the time and the format of each query.
    """
    return (
        panel.title(info.title)
        .description(info.description)
        .span(info.width)
        .height(info.height)
        .datasource(SOURCE)
        .links([runbook_link(alert) for alert in info.runbooks])
        .unit(unit)
        .targets(
            [
                mode(prometheus.Dataquery().ref_id(ref_id).expr(expression))
                .legend_format(legend)
                .datasource(SOURCE)
                for ref_id, (legend, expression) in with_ref_ids(queries.items())
            ]
        )
    )


def with_ref_ids(queries: Iterable[T]) -> Iterator[tuple[str, T]]:
    """Pair each query with its refId: Grafana calls a panel's queries A, B, C, ..."""
    return zip(ascii_uppercase, queries, strict=False)


def link(title: str, url: str) -> dashboard.DashboardLink:
    """Return a link that opens in a new tab."""
    return (
        dashboard.DashboardLink(title)
        .type(models.DashboardLinkType.LINK)
        .url(url)
        .target_blank(target_blank=True)
    )


def runbook_link(alert: str) -> dashboard.DashboardLink:
    """Return a link to the runbook of *alert*."""
    return link(f"Runbook {alert}", f"{DOCS}/runbooks/{alert}.md")


def thresholds(levels: Levels) -> dashboard.ThresholdsConfig:
    """Return *levels* as the SDK's thresholds, green below the first."""
    steps = [models.Threshold(value, colour) for value, colour in levels.items()]
    return (
        dashboard.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(None, GREEN), *steps])
    )


def value_mappings(texts: Mapping[str, str]) -> models.ValueMap:
    """Return the SDK's value mappings for *texts*: the text to display, by value."""
    return models.ValueMap(
        {value: models.ValueMappingResult(text) for value, text in texts.items()}
    )
