"""The kinds of panels that draw: lines, bars, numbers, gauges and states."""

from __future__ import annotations

from collections.abc import Mapping

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    timeseries,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import units

from grafana.panel_base import GREEN, RED, About, Levels, dressed, thresholds, words


BARS = 200
"""What a panel has room for; counting new series is dear, so more would be slow."""
ALERTS = "alerts above this"

_LAST = common.ReduceDataOptions().calcs(["lastNotNull"])


def lines(
    about: About, queries: Mapping[str, str], *, unit: str
) -> Builder[models.Panel]:
    """Return lines over time, by the legend of their series."""
    return _over_time(about, queries, unit).line_width(1).fill_opacity(10)


def shares(
    about: About, queries: Mapping[str, str], threshold: str
) -> Builder[models.Panel]:
    """Return lines between 0 and 100 %, and where alerts begin if rules are loaded."""
    line = {"mode": "fixed", "fixedColor": RED}
    return (
        _over_time(about, {**queries, ALERTS: threshold}, units.PercentUnit)
        .max(1)
        .line_width(1)
        .override_by_name(
            ALERTS,
            [
                models.DynamicConfigValue("color", line),
                models.DynamicConfigValue("custom.lineStyle", {"fill": "dash"}),
            ],
        )
    )


def bars(
    about: About, queries: Mapping[str, str], *, unit: str
) -> Builder[models.Panel]:
    """Return bars over time, one on the other: a lone one is seen, unlike a line."""
    return (
        _over_time(about, queries, unit)
        .max_data_points(BARS)
        .draw_style(looks.GraphDrawStyle.BARS)
        .fill_opacity(80)
        .stacking(common.StackingConfig().mode(looks.StackingMode.NORMAL))
    )


def _over_time(about: About, queries: Mapping[str, str], unit: str) -> timeseries.Panel:
    """Return values over time, a caller's in its colour in all panels."""
    return (
        dressed(timeseries.Panel(), about, unit, queries, _range)
        .min(0)
        .show_points(looks.VisibilityMode.NEVER)
        .color_scheme(
            dashboard.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC_BY_NAME)
        )
        .tooltip(
            common.VizTooltipOptions()
            .mode(looks.TooltipDisplayMode.MULTI)
            .sort(looks.SortOrder.DESCENDING)
        )
        .legend(
            common.VizLegendOptions()
            .display_mode(looks.LegendDisplayMode.LIST)
            .placement(looks.LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
        )
    )


def numbers(
    about: About, queries: Mapping[str, str], *, levels: Levels
) -> Builder[models.Panel]:
    """Return one large number for each of *queries*, by its name."""
    return (
        dressed(stat.Panel(), about, units.LocaleFormat, queries, _instant)
        .thresholds(thresholds(levels))
        .color_mode(looks.BigValueColorMode.BACKGROUND_SOLID)
        .graph_mode(looks.BigValueGraphMode.NONE)
        .text_mode(looks.BigValueTextMode.VALUE_AND_NAME)
        .reduce_options(_LAST)
    )


def gauges(
    about: About, queries: Mapping[str, str], *, levels: Levels
) -> Builder[models.Panel]:
    """Return a bar from 0 to 100 % for each of *queries*, by its name."""
    return (
        dressed(bargauge.Panel(), about, units.PercentUnit, queries, _instant)
        .min(0)
        .max(1)
        .thresholds(thresholds(levels))
        .orientation(looks.VizOrientation.HORIZONTAL)
        .display_mode(looks.BarGaugeDisplayMode.BASIC)
        .reduce_options(_LAST)
    )


def states(
    about: About, queries: Mapping[str, str], texts: Mapping[str, str]
) -> Builder[models.Panel]:
    """Return states over time, 1 green and 0 red, each with its word."""
    return (
        dressed(statetimeline.Panel(), about, units.NoUnit, queries, _range)
        .thresholds(thresholds({0: RED, 1: GREEN}))
        .mappings([words(texts)])
        .show_value(looks.VisibilityMode.NEVER)
        .line_width(0)
        .fill_opacity(80)
    )


def _range(query: prometheus.Dataquery) -> prometheus.Dataquery:
    return query.range()


def _instant(query: prometheus.Dataquery) -> prometheus.Dataquery:
    return query.instant()
