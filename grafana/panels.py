"""Panel types other than tables: graphs, heat maps, numbers, bar gauges and states."""

from __future__ import annotations

from collections.abc import Mapping

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    timeseries,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import heatmap as heat_options
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.panel_base import (
    GREEN,
    RED,
    Levels,
    PanelInfo,
    thresholds,
    value_mappings,
    with_common_options,
)


# Bars that fit into the width of a panel. Prometheus evaluates the query once for each
# bar, and counting new series (promql.per_second) is expensive.
MAX_BARS = 200
# Legend of the line at which alerts begin.
ALERT_LEGEND = "alerts above this"

_LAST_VALUE = common.ReduceDataOptions().calcs(["lastNotNull"])


def lines(
    info: PanelInfo, queries: Mapping[str, str], *, unit: str
) -> Builder[models.Panel]:
    """Return a panel that draws lines over time; *queries* are by legend."""
    return _time_series(info, queries, unit).line_width(1).fill_opacity(10)


def ratio_lines(
    info: PanelInfo, queries: Mapping[str, str], threshold: str
) -> Builder[models.Panel]:
    """
    Return a panel that draws lines between 0 and 100 %, and the threshold of alerts.

    Args:
        info: title, description, size and links.
        queries: expressions by the legend of their series.
        threshold: name of the recorded threshold. Without the rules of prometheus/ the
            panel has no threshold line.
    """
    red = {"mode": "fixed", "fixedColor": RED}
    return (
        _time_series(info, {**queries, ALERT_LEGEND: threshold}, units.PercentUnit)
        .max(1)
        .line_width(1)
        .override_by_name(
            ALERT_LEGEND,
            [
                models.DynamicConfigValue("color", red),
                models.DynamicConfigValue("custom.lineStyle", {"fill": "dash"}),
            ],
        )
    )


def bars(
    info: PanelInfo, queries: Mapping[str, str], *, unit: str
) -> Builder[models.Panel]:
    """
    Return a panel that stacks bars over time; *queries* are by legend.

    Unlike a line, a bar shows a single point.
    """
    return (
        _time_series(info, queries, unit)
        .max_data_points(MAX_BARS)
        .draw_style(options.GraphDrawStyle.BARS)
        .fill_opacity(80)
        .stacking(common.StackingConfig().mode(options.StackingMode.NORMAL))
    )


def _time_series(
    info: PanelInfo, queries: Mapping[str, str], unit: str
) -> timeseries.Panel:
    """Return a time series panel; a legend has the same colour in all panels."""
    return (
        with_common_options(timeseries.Panel(), info, unit, queries, _range_query)
        .min(0)
        .show_points(options.VisibilityMode.NEVER)
        .color_scheme(
            dashboard.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC_BY_NAME)
        )
        .tooltip(
            common.VizTooltipOptions()
            .mode(options.TooltipDisplayMode.MULTI)
            .sort(options.SortOrder.DESCENDING)
        )
        .legend(
            common.VizLegendOptions()
            .display_mode(options.LegendDisplayMode.LIST)
            .placement(options.LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
        )
    )


def heat_map(
    info: PanelInfo, queries: Mapping[str, str], *, unit: str, cell_unit: str
) -> Builder[models.Panel]:
    """
    Return a heat map of a classic histogram over time.

    Args:
        info: title, description, size and links.
        queries: one expression, of rates by the label le; the legend is {{le}}.
        unit: unit of the buckets' bounds.
        cell_unit: unit of the rates.
    """
    return (
        with_common_options(heatmap.Panel(), info, unit, queries, _heat_map_query)
        .max_data_points(MAX_BARS)
        .calculate(calculate=False)
        .y_axis(heatmap.YAxisConfig().unit(unit))
        .cell_values(heatmap.CellValues().unit(cell_unit))
        .scale_distribution(
            common.ScaleDistributionConfig().type(options.ScaleDistribution.LINEAR)
        )
        .color(
            heatmap.HeatmapColorOptions()
            .mode(heat_options.HeatmapColorMode.SCHEME)
            .scheme("Oranges")
            .scale(heat_options.HeatmapColorScale.EXPONENTIAL)
            .exponent(0.5)
            .steps(64)
        )
    )


def stats(
    info: PanelInfo, queries: Mapping[str, str], *, levels: Levels
) -> Builder[models.Panel]:
    """Return a panel with a large, named number for each of *queries*."""
    return (
        with_common_options(
            stat.Panel(), info, units.LocaleFormat, queries, _instant_query
        )
        .thresholds(thresholds(levels))
        .color_mode(options.BigValueColorMode.BACKGROUND_SOLID)
        .graph_mode(options.BigValueGraphMode.NONE)
        .text_mode(options.BigValueTextMode.VALUE_AND_NAME)
        .reduce_options(_LAST_VALUE)
    )


def bar_gauges(
    info: PanelInfo, queries: Mapping[str, str], *, levels: Levels
) -> Builder[models.Panel]:
    """Return a panel with a named bar from 0 to 100 % for each of *queries*."""
    return (
        with_common_options(
            bargauge.Panel(), info, units.PercentUnit, queries, _instant_query
        )
        .min(0)
        .max(1)
        .thresholds(thresholds(levels))
        .orientation(options.VizOrientation.HORIZONTAL)
        .display_mode(options.BarGaugeDisplayMode.BASIC)
        .reduce_options(_LAST_VALUE)
    )


def state_timeline(
    info: PanelInfo, queries: Mapping[str, str], texts: Mapping[str, str]
) -> Builder[models.Panel]:
    """Return a panel of states over time: 1 is green and 0 is red, named by *texts*."""
    return (
        with_common_options(
            statetimeline.Panel(), info, units.NoUnit, queries, _range_query
        )
        .thresholds(thresholds({0: RED, 1: GREEN}))
        .mappings([value_mappings(texts)])
        .show_value(options.VisibilityMode.NEVER)
        .line_width(0)
        .fill_opacity(80)
    )


def _range_query(query: prometheus.Dataquery) -> prometheus.Dataquery:
    return query.range()


def _heat_map_query(query: prometheus.Dataquery) -> prometheus.Dataquery:
    return query.range().format(PromQueryFormat.HEATMAP)


def _instant_query(query: prometheus.Dataquery) -> prometheus.Dataquery:
    return query.instant()
