"""Draw the tables of the dashboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from tools.pictures.style import (
    CHARACTER,
    DIM,
    DPI,
    LINE,
    TEXT,
    Drawn,
    formatted,
    gauge,
    level,
)


def draw_table(drawn: Drawn, axes: Axes) -> None:
    """Draw the rows of a table that fit into the panel."""
    wide, high = drawn.size
    options = drawn.panel["transformations"][1]["options"]
    order, heads = options["indexByName"], options["renameByName"]
    columns = sorted(order, key=order.__getitem__)
    styles = {
        each["matcher"]["options"]: {
            one["id"]: one["value"] for one in each["properties"]
        }
        for each in drawn.panel["fieldConfig"]["overrides"]
    }
    rows = merged(drawn, columns)[: int((high - 0.7) / LINE)]
    fixed = {each: styles[heads[each]].get("custom.width", 0) / DPI for each in columns}
    rest = (wide - 0.2 - sum(fixed.values())) / (list(fixed.values()).count(0) or 1)
    left = 0.1
    for column in columns:
        width, style = fixed[column] or rest, styles[heads[column]]
        axes.text(left, 0.48, heads[column], color=DIM, fontsize=8, va="center")
        for number, row in enumerate(rows):
            if column in row:
                place = (left, 0.72 + number * LINE, width)
                draw_cell(axes, place, row[column], style)
        left += width


def draw_cell(
    axes: Axes,
    place: tuple[float, float, float],
    value: str | float,
    style: Mapping[str, Any],
) -> None:
    """Draw a label, a number or a gauge at a place: x, y and maximum width."""
    x, y, width = place
    if isinstance(value, str):
        mapped = style.get("mappings", [{"options": {}}])[0]["options"]
        text, colour = mapped.get(value, {"text": value})["text"], TEXT
    else:
        text, colour = formatted(value, style["unit"]), TEXT
        if "thresholds" in style:
            colour = level(value, style["thresholds"])
        if style["unit"] == "percentunit":
            gauge(axes, (x + 0.4, y, width - 0.5), float(value), colour)
    room = int(width / CHARACTER)
    text = text if len(text) <= room else text[: room - 1] + "…"
    axes.text(x, y, text, color=colour, fontsize=8, va="center")


def merged(drawn: Drawn, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return a row for each set of labels, sorted by the first column of numbers."""
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    for letter, series in drawn.answers.items():
        head = "Value" if "Value" in columns else f"Value #{letter}"
        for labels, points in series:
            key = tuple(labels.get(name, "") for name in columns)
            rows.setdefault(key, dict(labels))[head] = points[-1][1]
    first = next(each for each in columns if each.startswith("Value"))
    return sorted(rows.values(), key=lambda row: -float(row.get(first, 0)))
