"""
Values of series at each tick, in promtool's notation.

A tick is one interval of a case: a minute or an hour. "_" is a tick without a sample,
and "stale" is the staleness marker that ends a series.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


# The last tick, in intervals.
END = 60

# Changes of a series by tick: a new value, "gone", or "+N" to rise by N each tick.
Steps = Mapping[int, float | str]

SECONDS_BY_INTERVAL = {"1m": 60, "1h": 3600}


def up(start: int, missed: frozenset[int]) -> list[str]:
    """Return `up` from tick *start* on: 1, or 0 where the scrape failed."""
    return [
        "_" if tick < start else str(int(tick not in missed)) for tick in range(END + 1)
    ]


def health(labels: str, starts: Sequence[int], interval: str) -> dict[str, Steps]:
    """
    Return the series of an exporter whose collectors all work.

    Args:
        labels: job and instance, as in a selector.
        starts: ticks at which the exporter started.
        interval: length of a tick, 1m or 1h.
    """
    first = max(0, starts[0])
    seconds = SECONDS_BY_INTERVAL[interval]
    success = "fanotify_exporter_collector_success"
    start_time = "fanotify_exporter_counting_start_time_seconds"
    return {
        f'{start_time}{{{labels},programs="calls"}}': {
            max(0, start): start * seconds for start in starts
        },
        f'{start_time}{{{labels},programs="permission"}}': {
            max(0, start): start * seconds for start in starts
        },
        f'{start_time}{{{labels},programs="events"}}': {
            max(0, start): start * seconds for start in starts
        },
        f'{success}{{{labels},collector="mark_calls"}}': {first: 1},
        f'{success}{{{labels},collector="groups"}}': {first: 1},
        f'{success}{{{labels},collector="permission"}}': {first: 1},
        f'{success}{{{labels},collector="events"}}': {first: 1},
    }


def values(steps: Steps, missed: frozenset[int]) -> list[str]:
    """Return a value for each tick; *missed* are the ticks without a scrape."""
    found: list[str] = []
    value: float | None = None
    rise = 0.0
    for tick in range(END + 1):
        step = steps.get(tick)
        ends = step == "gone" or (tick in missed and value is not None)
        if step == "gone":
            value, rise = None, 0
        elif isinstance(step, str):
            value, rise = value or 0, float(step)
        elif step is not None:
            value, rise = step, 0
        if value is not None:
            value += rise
        found.append("stale" if ends else "_" if value is None else f"{value:.12g}")
    return found
