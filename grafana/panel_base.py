"""
What all panels have in common.

A panel has a title, a description in plain words, a unit, and a link to the runbook of
each alert that it shows the figures of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    dashboard,
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

Levels = Mapping[float, str]
"""The colour from a value on; below the first it is green."""

P = TypeVar(
    "P",
    bargauge.Panel,
    stat.Panel,
    statetimeline.Panel,
    table.Panel,
    timeseries.Panel,
)
T = TypeVar("T")
How = Callable[[prometheus.Dataquery], prometheus.Dataquery]


@dataclass(frozen=True, slots=True)
class About:
    """
    What every panel has.

    Attributes:
        title: what the panel answers.
        description: how to read it; what it leaves out.
        width: of 24 columns.
        height: in rows of the grid, each 30 pixels.
        runbooks: names of the alerts about what it shows.
    """

    title: str
    description: str
    width: int = 8
    height: int = 8
    runbooks: Sequence[str] = ()


def dressed(
    panel: P, about: About, unit: str, queries: Mapping[str, str], how: How
) -> P:
    """
    Return *panel*, told what all are told.

    Args:
        panel: a builder of one kind of panels.
        about: what every panel has.
        unit: of the values.
        queries: expressions by the legend of their series.
        how: tells a query for what time it asks, and how to answer.
    """
    return (
        panel.title(about.title)
        .description(about.description)
        .span(about.width)
        .height(about.height)
        .datasource(SOURCE)
        .links([runbook(alert) for alert in about.runbooks])
        .unit(unit)
        .targets(
            [
                how(prometheus.Dataquery().ref_id(letter).expr(expression))
                .legend_format(legend)
                .datasource(SOURCE)
                for letter, (legend, expression) in lettered(queries.items())
            ]
        )
    )


def lettered(things: Iterable[T]) -> Iterator[tuple[str, T]]:
    """Pair *things* with A, B, C..., which is how Grafana names queries."""
    return zip(ascii_uppercase, things, strict=False)


def link(title: str, url: str) -> dashboard.DashboardLink:
    """Return a link that opens beside the dashboard."""
    return (
        dashboard.DashboardLink(title)
        .type(models.DashboardLinkType.LINK)
        .url(url)
        .target_blank(target_blank=True)
    )


def runbook(alert: str) -> dashboard.DashboardLink:
    """Return the link to the page of *alert*."""
    return link(f"Runbook {alert}", f"{DOCS}/runbooks/{alert}.md")


def thresholds(levels: Levels) -> dashboard.ThresholdsConfig:
    """Return *levels* in the SDK's words."""
    steps = [models.Threshold(value, colour) for value, colour in levels.items()]
    return (
        dashboard.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(None, GREEN), *steps])
    )


def words(texts: Mapping[str, str]) -> models.ValueMap:
    """Return what to write for a value, in the SDK's words."""
    return models.ValueMap(
        {value: models.ValueMappingResult(text) for value, text in texts.items()}
    )
