"""Draw a heat map of a classic histogram."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isinf

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm

from tools.harness.dashboard import STEP_SECONDS, Points
from tools.pictures.kinds import style_axes
from tools.pictures.style import PANEL, Drawn


def draw_heat_map(drawn: Drawn, axes: Axes) -> None:
    """Draw a cell for each bucket and time, coloured if not empty."""
    wide, high = drawn.size
    box = (0.75 / wide, 0.5 / high, 1 - 0.9 / wide, 1 - 0.9 / high)
    inner = axes.inset_axes(box, facecolor=PANEL)
    by_bound = {float(legend): points for legend, points in drawn.named()}
    if not by_bound:
        return
    bounds = sorted(by_bound)
    rates = buckets([by_bound[bound] for bound in bounds], drawn)
    shown = np.ma.masked_less_equal(rates, 1e-9)
    edges = np.arange(rates.shape[1] + 1) * STEP_SECONDS + drawn.start
    inner.pcolormesh(
        edges, np.arange(len(bounds) + 1), shown, cmap="Oranges_r", norm=PowerNorm(0.5)
    )
    style_axes(inner, lambda place, _: bound_text(bounds, place))
    inner.set_yticks(range(1, len(bounds) + 1))


def bound_text(bounds: Sequence[float], place: float) -> str:
    """Return the text at the upper edge of a bucket."""
    bound = bounds[round(place) - 1]
    return "+Inf" if isinf(bound) else f"{bound:g} s"


def buckets(cumulative: Sequence[Points], drawn: Drawn) -> np.ndarray:
    """Return the rate of each bucket at each step; *cumulative* are in rising order."""
    steps = [drawn.start + n * STEP_SECONDS for n in range(_steps(drawn))]
    rows = [
        _at_steps({round(at): value for at, value in each}, steps)
        for each in cumulative
    ]
    rates: np.ndarray = np.diff(rows, axis=0, prepend=0)
    return rates


def _steps(drawn: Drawn) -> int:
    return round((drawn.end - drawn.start) / STEP_SECONDS)


def _at_steps(values: Mapping[int, float], steps: Sequence[float]) -> list[float]:
    return [values.get(round(at), 0.0) for at in steps]
