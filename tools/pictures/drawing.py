"""
Panels and Prometheus' answers in, a picture out.

Places, names, units, colours and stacking are as the dashboard says, and what is drawn
is what its queries returned. All else of the looks is matplotlib's, not Grafana's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from tools.harness.dashboard import STEP_SECONDS, Points, Series


COLUMN, ROW, DPI = 0.58, 0.36, 100
"""Inches of a place of the grid, and dots of each."""
CHARACTER, LINE = 0.074, 0.21
"""Inches that small text takes."""
BACK, PANEL, GRID, DIM, TEXT = "#111217", "#1b1e24", "#30343c", "#8e929c", "#d8d9e0"
COLOURS = {"green": "#299c46", "yellow": "#b58900", "red": "#d44a3a"}
PALETTE = (
    *("#73bf69", "#f2cc0c", "#5794f2", "#ff780a", "#f2495c", "#b877d9"),
    *("#6ed0e0", "#ffa6b0", "#96d98d", "#ffcb7d", "#8ab8ff", "#b6fff9"),
)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A panel as the dashboard has it; its queries' series by letter; their time."""

    panel: Mapping[str, Any]
    answers: Mapping[str, Sequence[Series]]
    start: float
    end: float

    @property
    def looks(self) -> Mapping[str, Any]:
        looks: Mapping[str, Any] = self.panel["fieldConfig"]["defaults"]
        return looks

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches, without what separates panels."""
        place = self.panel["gridPos"]
        return place["w"] * COLUMN - 0.08, place["h"] * ROW - 0.08

    def named(self) -> Iterator[tuple[str, Points]]:
        """Yield each series by its legend."""
        for target in self.panel["targets"]:
            for labels, points in self.answers[target["refId"]]:
                legend = target["legendFormat"]
                for name, value in labels.items():
                    legend = legend.replace(f"{{{{{name}}}}}", value)
                yield legend, points


def draw(panels: Sequence[Drawn], path: Path) -> None:
    """Write a picture of *panels*."""
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
        KINDS.get(drawn.panel["type"], no_more)(drawn, axes)
    figure.savefig(path, dpi=DPI, facecolor=BACK)
    plt.close(figure)


def no_more(_: Drawn, __: Axes) -> None:
    """Leave it at the title."""


def draw_numbers(drawn: Drawn, axes: Axes) -> None:
    """Draw a coloured tile for each series."""
    named = list(drawn.named())
    wide, high = drawn.size
    tile = (wide - 0.1) / len(named)
    for place, (legend, points) in enumerate(named):
        value, left = points[-1][1], 0.05 + place * tile
        colour = level(value, drawn.looks["thresholds"])
        box = Rectangle((left + 0.03, 0.4), tile - 0.06, high - 0.47, color=colour)
        axes.add_patch(box)
        style: Any = {"color": "w", "ha": "center", "va": "center"}
        axes.text(
            left + tile / 2, 0.62, legend.replace(" (", "\n("), fontsize=8, **style
        )
        axes.text(
            left + tile / 2, high - 0.5, written(value, "locale"), fontsize=20, **style
        )


def draw_gauges(drawn: Drawn, axes: Axes) -> None:
    """Draw a bar between 0 and 1 for each series."""
    wide, high = drawn.size
    named = list(drawn.named())
    for place, (legend, points) in enumerate(named):
        value, y = points[-1][1], 0.62 + place * (high - 0.6) / len(named)
        axes.text(0.1, y, legend, color=TEXT, va="center", fontsize=8)
        gauge(
            axes, (1.5, y, wide - 2.1), value, level(value, drawn.looks["thresholds"])
        )
        axes.text(wide - 0.1, y, f"{value:.0%}", color=TEXT, ha="right", va="center")


def gauge(
    axes: Axes, place: tuple[float, float, float], value: float, colour: str
) -> None:
    """Draw a bar at x and y, as long as *value* says of a width."""
    x, y, width = place
    axes.add_patch(Rectangle((x, y - 0.08), width, 0.16, color=GRID))
    axes.add_patch(Rectangle((x, y - 0.08), width * min(value, 1), 0.16, color=colour))


def draw_graph(drawn: Drawn, axes: Axes) -> None:
    """Draw lines, or bars one on the other, and their legend."""
    wide, high = drawn.size
    lines = sorted(drawn.named(), key=lambda line: -max(v for _, v in line[1]))
    colours = list(line_colours(drawn, [legend for legend, _ in lines]))
    box = (0.75 / wide, 0.5 / high, 1 - 0.9 / wide, 1 - 0.9 / high)
    inner = axes.inset_axes(box, facecolor=PANEL, xlim=(drawn.start, drawn.end))
    below: dict[float, float] = {}
    for (_, points), colour in zip(lines, colours, strict=True):
        if drawn.looks["custom"].get("drawStyle") == "bars":
            times, values = zip(*points, strict=True)
            under = [below.get(at, 0.0) for at in times]
            inner.bar(times, values, STEP_SECONDS, under, color=colour)
            below |= {at: below.get(at, 0.0) + value for at, value in points}
        else:
            inner.plot(*zip(*points, strict=True), color=colour, linewidth=1.2)
    inner.set_ylim(0, drawn.looks.get("max"))
    dress(inner, lambda value, _: written(value, drawn.looks["unit"]))
    left = 0.1
    for (legend, _), colour in zip(lines, colours, strict=True):
        text = f"━ {legend}"
        if left + len(text) * CHARACTER < wide:
            axes.text(left, high - 0.12, text, color=colour, fontsize=7, va="center")
        left += len(text) * CHARACTER * 0.8 + 0.15


def line_colours(drawn: Drawn, legends: Sequence[str]) -> Iterator[str]:
    """Yield a colour for each line: that which is said of it, or the next."""
    palette = cycle(PALETTE)
    said = {
        each["matcher"]["options"]: one["value"]["fixedColor"]
        for each in drawn.panel["fieldConfig"]["overrides"]
        for one in each["properties"]
        if one["id"] == "color"
    }
    for legend in legends:
        yield COLOURS[said[legend]] if legend in said else next(palette)


def dress(axes: Axes, label: Callable[[float, float], str]) -> None:
    """Give a graph its axes."""
    axes.xaxis.set_major_formatter(
        lambda at, _: f"{datetime.fromtimestamp(at, UTC):%T}"
    )
    axes.yaxis.set_major_formatter(label)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.tick_params(colors=DIM, labelsize=7)
    axes.grid(color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)


def draw_states(drawn: Drawn, axes: Axes) -> None:
    """Draw a coloured strip for each series."""
    wide, high = drawn.size
    lines = list(drawn.named())
    scale = (wide - 1.6) / (drawn.end - drawn.start)
    for place, (legend, points) in enumerate(lines):
        y = 0.6 + place * (high - 0.7) / len(lines)
        axes.text(0.1, y, legend, color=TEXT, fontsize=8, va="center")
        for at, value in points:
            corner = (1.5 + (at - drawn.start) * scale, y - 0.1)
            colour = level(value, drawn.looks["thresholds"])
            axes.add_patch(Rectangle(corner, STEP_SECONDS * scale, 0.2, color=colour))


def draw_table(drawn: Drawn, axes: Axes) -> None:
    """Draw as many rows as there is room for."""
    wide, high = drawn.size
    options = drawn.panel["transformations"][1]["options"]
    order, heads = options["indexByName"], options["renameByName"]
    columns = sorted(order, key=order.__getitem__)
    looks = {
        each["matcher"]["options"]: {
            one["id"]: one["value"] for one in each["properties"]
        }
        for each in drawn.panel["fieldConfig"]["overrides"]
    }
    rows = merged(drawn, columns)[: int((high - 0.7) / LINE)]
    fixed = {each: looks[heads[each]].get("custom.width", 0) / DPI for each in columns}
    rest = (wide - 0.2 - sum(fixed.values())) / (list(fixed.values()).count(0) or 1)
    left = 0.1
    for column in columns:
        width, look = fixed[column] or rest, looks[heads[column]]
        axes.text(left, 0.48, heads[column], color=DIM, fontsize=8, va="center")
        for number, row in enumerate(rows):
            if column in row:
                place = (left, 0.72 + number * LINE, width)
                draw_cell(axes, place, row[column], look)
        left += width


def draw_cell(
    axes: Axes,
    place: tuple[float, float, float],
    value: str | float,
    look: Mapping[str, Any],
) -> None:
    """Draw a label, a number or a gauge at x and y, not wider than said."""
    x, y, width = place
    if isinstance(value, str):
        mapped = look.get("mappings", [{"options": {}}])[0]["options"]
        text, colour = mapped.get(value, {"text": value})["text"], TEXT
    else:
        text, colour = written(value, look["unit"]), TEXT
        if "thresholds" in look:
            colour = level(value, look["thresholds"])
        if look["unit"] == "percentunit":
            gauge(axes, (x + 0.4, y, width - 0.5), float(value), colour)
    room = int(width / CHARACTER)
    text = text if len(text) <= room else text[: room - 1] + "…"
    axes.text(x, y, text, color=colour, fontsize=8, va="center")


def merged(drawn: Drawn, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return a row for each set of labels, the first column of numbers falling."""
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    for letter, series in drawn.answers.items():
        head = "Value" if "Value" in columns else f"Value #{letter}"
        for labels, points in series:
            key = tuple(labels.get(name, "") for name in columns)
            rows.setdefault(key, dict(labels))[head] = points[-1][1]
    first = next(each for each in columns if each.startswith("Value"))
    return sorted(rows.values(), key=lambda row: -float(row.get(first, 0)))


def level(value: float, thresholds: Mapping[str, Any]) -> str:
    """Return the colour of the highest threshold that *value* reaches."""
    steps = thresholds["steps"]
    reached = [
        each for each in steps if each["value"] is None or value >= each["value"]
    ]
    return COLOURS[reached[-1]["color"]]


def written(value: float, unit: str) -> str:
    """Return *value* about as Grafana writes it."""
    if unit == "percentunit":
        return f"{value:.0%}"
    if unit == "bytes":
        return f"{value / 2**20:.1f} MiB"
    if unit in {"s", "dtdurations"}:
        return f"{value:.3g} s"
    if unit.startswith("suffix:"):
        return f"{value:.3g}{unit.removeprefix('suffix:')}"
    return f"{value:,.0f}"


KINDS: Mapping[str, Callable[[Drawn, Axes], None]] = {
    "stat": draw_numbers,
    "bargauge": draw_gauges,
    "table": draw_table,
    "timeseries": draw_graph,
    "state-timeline": draw_states,
}
