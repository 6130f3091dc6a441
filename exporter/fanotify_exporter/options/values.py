"""
Parse the values of flags.

Each function raises ArgumentTypeError, with the value and a good example, if the value
cannot be used.
"""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from collections.abc import Sequence


# Two sections with this many slots of 48 bytes take 25 MB in the kernel.
MAX_MAX_ENTRIES = 262_144

UNIT_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
MAX_INTERVAL_SECONDS = 86_400


def telemetry_path(text: str) -> str:
    """Return a path such as /metrics; "/" and paths below /-/ are refused."""
    if not re.fullmatch(r"(/[\w.~-]+)+", text, re.ASCII) or text.startswith("/-/"):
        raise ArgumentTypeError(
            f"{text!r} cannot be the path of the metrics: use for example /metrics"
        )
    return text


def labels(text: str, droppable: Sequence[str]) -> tuple[str, ...]:
    """Return the label names in "comm,mask"; each must be one of *droppable*."""
    names = tuple(filter(None, text.split(",")))
    for name in names:
        if name not in droppable:
            raise ArgumentTypeError(f"{name!r} is not one of {', '.join(droppable)}")
    return names


def max_entries(text: str) -> int:
    """Return a number from 1 to MAX_MAX_ENTRIES."""
    number = int(text) if text.isdecimal() else 0
    if not 1 <= number <= MAX_MAX_ENTRIES:
        raise ArgumentTypeError(f"{text!r} is not a number from 1 to {MAX_MAX_ENTRIES}")
    return number


def interval(text: str) -> int:
    """Return the seconds of "90s", "5m", "24h", "1d" or "45"."""
    found = re.fullmatch(r"(\d{1,5})([smhd]?)", text, re.ASCII)
    seconds = int(found[1]) * UNIT_SECONDS[found[2]] if found else 0
    if not 1 <= seconds <= MAX_INTERVAL_SECONDS:
        raise ArgumentTypeError(
            f"{text!r} is not a time from 1s to 24h: use a number and s, m, h or d, "
            "for example 30s"
        )
    return seconds


def log_level(text: str) -> str:
    """Return *text* as --log.level spells levels: "warn" for "WARNING"."""
    level = text.lower()
    return "warn" if level == "warning" else level
