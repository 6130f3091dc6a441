"""Numbers and durations as text for people."""

from __future__ import annotations

from collections.abc import Mapping


# Errnos named in a table cell; more would wrap onto several lines.
MAX_ERRNOS = 3

# Smallest rate that two decimals show as more than 0.
MIN_RATE = 0.01


def format_count(number: float, noun: str = "", plural_suffix: str = "s") -> str:
    """
    Return a count with thousands separators, and with *noun* if given.

    >>> format_count(2345, "process", "es")
    '2,345 processes'
    """
    text = f"{number:,.0f}"
    if not noun:
        return text
    return f"{text} {noun}{'' if number == 1 else plural_suffix}"


def format_usage(number: float, limit: float | None, share: float) -> str:
    """
    Return a count with its share of *limit*, or the count alone without a limit.

    >>> format_usage(3, 128, 3 / 128)
    '3 of 128 (2%)'
    """
    if limit is None:
        return format_count(number)
    return f"{format_count(number)} of {format_count(limit)} ({share:.0%})"


def format_errors(errors: Mapping[str, float]) -> str:
    """Return the failed calls by errno, the first MAX_ERRNOS of *errors* by name."""
    named = list(errors.items())[:MAX_ERRNOS]
    parts = [f"{format_count(number)} {name or 'unknown'}" for name, number in named]
    others = sum(errors.values()) - sum(number for _, number in named)
    if others:
        parts.append(format_count(others, "other"))
    return ", ".join(parts) or "0"


def format_rate(per_second: float) -> str:
    """Return a rate with two decimals; a rate below MIN_RATE is not shown as 0."""
    return "<0.01" if 0 < per_second < MIN_RATE else f"{per_second:,.2f}"


def format_duration(seconds: float) -> str:
    """Return a duration in the largest unit that gives at least 2."""
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return format_count(round(seconds), "second")
