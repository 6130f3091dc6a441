"""Draw the panels of the dashboard that are not tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import cycle
from math import nan
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from tools.harness.dashboard import STEP_SECONDS, Points
from tools.pictures.style import (
    CHARACTER,
    COLOURS,
    DIM,
    GRID,
    PALETTE,
    PANEL,
    TEXT,
    Drawn,
    formatted,
    gauge,
    level,
)


def draw_numbers(drawn: Drawn, axes: Axes) -> None:
    """Draw a coloured tile for each series."""
    named = list(drawn.named())
    wide, high = drawn.size
    tile = (wide - 0.1) / max(1, len(named))
    for place, (legend, points) in enumerate(named):
        value, left = points[-1][1], 0.05 + place * tile
        colour = level(value, drawn.style["thresholds"])
        box = Rectangle((left + 0.03, 0.4), tile - 0.06, high - 0.47, color=colour)
        axes.add_patch(box)
        style: Any = {"color": "w", "ha": "center", "va": "center"}
        axes.text(
            left + tile / 2, 0.62, legend.replace(" (", "\n("), fontsize=8, **style
        )
        axes.text(
            left + tile / 2,
            high - 0.5,
            formatted(value, "locale"),
            fontsize=20,
            **style,
        )


def draw_gauges(drawn: Drawn, axes: Axes) -> None:
    """Draw a bar between 0 and 1 for each series."""
    wide, high = drawn.size
    named = list(drawn.named())
    for place, (legend, points) in enumerate(named):
        value, y = points[-1][1], 0.62 + place * (high - 0.6) / len(named)
        axes.text(0.1, y, legend, color=TEXT, va="center", fontsize=8)
        gauge(
            axes, (1.5, y, wide - 2.1), value, level(value, drawn.style["thresholds"])
        )
        axes.text(wide - 0.1, y, f"{value:.0%}", color=TEXT, ha="right", va="center")


def draw_graph(drawn: Drawn, axes: Axes) -> None:
    """Draw lines or stacked bars, and their legend."""
    wide, high = drawn.size
    lines = sorted(drawn.named(), key=lambda line: -max(v for _, v in line[1]))
    colours = list(line_colours(drawn, [legend for legend, _ in lines]))
    box = (0.75 / wide, 0.5 / high, 1 - 0.9 / wide, 1 - 0.9 / high)
    inner = axes.inset_axes(box, facecolor=PANEL, xlim=(drawn.start, drawn.end))
    below: dict[float, float] = {}
    for (_, points), colour in zip(lines, colours, strict=True):
        if drawn.style["custom"].get("drawStyle") == "bars":
            times, values = zip(*points, strict=True)
            under = [below.get(at, 0.0) for at in times]
            inner.bar(times, values, STEP_SECONDS, under, color=colour)
            below |= {at: below.get(at, 0.0) + value for at, value in points}
        else:
            inner.plot(
                *zip(*with_gaps(points), strict=True), color=colour, linewidth=1.2
            )
    inner.set_ylim(0, drawn.style.get("max"))
    style_axes(inner, lambda value, _: formatted(value, drawn.style["unit"]))
    left = 0.1
    for (legend, _), colour in zip(lines, colours, strict=True):
        text = f"━ {legend}"
        if left + len(text) * CHARACTER < wide:
            axes.text(left, high - 0.12, text, color=colour, fontsize=7, va="center")
        left += len(text) * CHARACTER * 0.8 + 0.15


def with_gaps(points: Points) -> Iterator[tuple[float, float]]:
    """Yield *points*, and a point that interrupts the line where steps are missing."""
    last = None
    for at, value in points:
        if last is not None and at - last > 1.5 * STEP_SECONDS:
            yield last + STEP_SECONDS, nan
        yield at, value
        last = at


def line_colours(drawn: Drawn, legends: Sequence[str]) -> Iterator[str]:
    """Yield a colour for each line: its override, or the next of the palette."""
    palette = cycle(PALETTE)
    fixed = {
        each["matcher"]["options"]: one["value"]["fixedColor"]
        for each in drawn.panel["fieldConfig"]["overrides"]
        for one in each["properties"]
        if one["id"] == "color"
    }
    for legend in legends:
        yield COLOURS[fixed[legend]] if legend in fixed else next(palette)


def style_axes(axes: Axes, label: Callable[[float, float], str]) -> None:
    """Set the style of the axes of a graph; *label* formats the values."""
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
            colour = level(value, drawn.style["thresholds"])
            axes.add_patch(Rectangle(corner, STEP_SECONDS * scale, 0.2, color=colour))
