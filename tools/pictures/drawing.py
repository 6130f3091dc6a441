"""
Draw panels of the dashboard with matplotlib.

Positions, titles, units, colours and stacking are those of the dashboard. The data are
the results of its queries. The rest of the style is matplotlib's, not Grafana's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from tools.pictures.heat_map import draw_heat_map
from tools.pictures.kinds import draw_gauges, draw_graph, draw_numbers, draw_states
from tools.pictures.style import BACK, COLUMN, DPI, PANEL, ROW, TEXT, Drawn
from tools.pictures.tables import draw_table


# Functions by Grafana's type of the panel. Of other types only the title is drawn.
KINDS: Mapping[str, Callable[[Drawn, Axes], None]] = {
    "stat": draw_numbers,
    "bargauge": draw_gauges,
    "table": draw_table,
    "heatmap": draw_heat_map,
    "timeseries": draw_graph,
    "state-timeline": draw_states,
}


def draw(panels: Sequence[Drawn], path: Path) -> None:
    """Write a picture of *panels* to *path*."""
    places = [each.panel["gridPos"] for each in panels]
    width = 24 * COLUMN
    height = max(place["y"] + place["h"] for place in places) * ROW
    figure = plt.figure(figsize=(width, height), facecolor=BACK)
    for drawn, place in zip(panels, places, strict=True):
        wide, high = drawn.size
        left, above = place["x"] * COLUMN + 0.04, place["y"] * ROW + 0.04
        box = (left / width, 1 - (above + high) / height, wide / width, high / height)
        axes = figure.add_axes(
            box, xticks=[], yticks=[], xlim=(0, wide), ylim=(high, 0)
        )
        axes.spines[:].set_visible(False)
        axes.set_facecolor(PANEL if drawn.panel["type"] in KINDS else BACK)
        axes.text(
            0.1, 0.18, drawn.panel["title"], color=TEXT, weight="bold", va="center"
        )
        if kind := KINDS.get(drawn.panel["type"]):
            kind(drawn, axes)
    figure.savefig(path, dpi=DPI, facecolor=BACK)
    plt.close(figure)
