"""The style of the picture of the dashboard: sizes, colours, numbers and bars."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from tools.harness.dashboard import Points, Series


# Size of a cell of Grafana's grid in inches, and dots per inch.
COLUMN, ROW, DPI = 0.58, 0.36, 100
# Size of small text in inches: width of a character, height of a line.
CHARACTER, LINE = 0.074, 0.21
# Colours of Grafana's dark theme.
BACK, PANEL, GRID, DIM, TEXT = "#111217", "#1b1e24", "#30343c", "#8e929c", "#d8d9e0"
COLOURS = {"green": "#299c46", "yellow": "#b58900", "red": "#d44a3a"}
PALETTE = (
    *("#73bf69", "#f2cc0c", "#5794f2", "#ff780a", "#f2495c", "#b877d9"),
    *("#6ed0e0", "#ffa6b0", "#96d98d", "#ffcb7d", "#8ab8ff", "#b6fff9"),
)


@dataclass(frozen=True, slots=True)
class Drawn:
    """
    A panel with the results of its queries.

    Attributes:
        panel: the panel in grafana/fanotify.json.
        answers: refId of a query -> its series.
        start: begin of the time range, Unix time.
        end: end of the time range.
    """

    panel: Mapping[str, Any]
    answers: Mapping[str, Sequence[Series]]
    start: float
    end: float

    @property
    def style(self) -> Mapping[str, Any]:
        style: Mapping[str, Any] = self.panel["fieldConfig"]["defaults"]
        return style

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches, without the gap between panels."""
        place = self.panel["gridPos"]
        return place["w"] * COLUMN - 0.08, place["h"] * ROW - 0.08

    def named(self) -> Iterator[tuple[str, Points]]:
        """Yield the legend and the points of each series."""
        for target in self.panel["targets"]:
            for labels, points in self.answers[target["refId"]]:
                legend = target["legendFormat"]
                for name, value in labels.items():
                    legend = legend.replace(f"{{{{{name}}}}}", value)
                yield re.sub(r"{{\w+}}", "", legend).strip(), points


def level(value: float, thresholds: Mapping[str, Any]) -> str:
    """Return the colour of the highest threshold that *value* reaches."""
    steps = thresholds["steps"]
    reached = [
        each for each in steps if each["value"] is None or value >= each["value"]
    ]
    return COLOURS[reached[-1]["color"]]


def formatted(value: float, unit: str) -> str:
    """Return *value* in about the same format as Grafana's."""
    if unit == "percentunit":
        return f"{value:.0%}"
    if unit == "bytes":
        return f"{value / 2**20:.1f} MiB"
    if unit in {"s", "dtdurations"}:
        return f"{value:.3g} s"
    if unit.startswith("suffix:"):
        return f"{value:.3g}{unit.removeprefix('suffix:')}"
    return f"{value:,.0f}"


def gauge(
    axes: Axes, place: tuple[float, float, float], value: float, colour: str
) -> None:
    """Draw a bar of *value*, between 0 and 1, at a place: x, y and full width."""
    x, y, width = place
    axes.add_patch(Rectangle((x, y - 0.08), width, 0.16, color=GRID))
    axes.add_patch(Rectangle((x, y - 0.08), width * min(value, 1), 0.16, color=colour))
