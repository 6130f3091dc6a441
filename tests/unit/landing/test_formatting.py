"""Numbers and durations as text for people."""

from __future__ import annotations

import doctest
from collections.abc import Callable, Mapping

import pytest

from fanotify_exporter.landing import formatting
from fanotify_exporter.landing.formatting import (
    format_count,
    format_duration,
    format_errors,
    format_rate,
    format_usage,
)


@pytest.mark.parametrize(
    ("number", "words", "text"),
    [
        (0, (), "0"),
        (1234567.0, (), "1,234,567"),
        (1, ("mark",), "1 mark"),
        (2, ("mark",), "2 marks"),
        (2, ("process", "es"), "2 processes"),
    ],
)
def test_format_count(number: float, words: tuple[str, ...], text: str) -> None:
    """Counts have thousands separators, and the plural of their noun."""
    assert text == format_count(number, *words)


@pytest.mark.parametrize(
    ("shape", "number", "text"),
    [
        (format_rate, 0.0, "0.00"),
        (format_rate, 0.001, "<0.01"),
        (format_rate, 12345.678, "12,345.68"),
        (format_duration, 1.2, "1 second"),
        (format_duration, 5.2, "5 seconds"),
        (format_duration, 150, "2 minutes"),
        (format_duration, 7200, "2 hours"),
        (format_duration, 86400 * 400, "400 days"),
    ],
)
def test_rates_and_durations(
    shape: Callable[[float], str], number: float, text: str
) -> None:
    """Rates and durations have no more digits than are significant."""
    assert text == shape(number)


@pytest.mark.parametrize(
    ("errors", "text"),
    [
        ({}, "0"),
        ({"EINVAL": 1200}, "1,200 EINVAL"),
        ({"": 3}, "3 unknown"),
        ({"A": 9, "B": 8, "C": 7, "D": 2, "E": 1}, "9 A, 8 B, 7 C, 3 others"),
    ],
)
def test_format_errors(errors: Mapping[str, float], text: str) -> None:
    """The most frequent errnos have their names, and the others are summed."""
    assert text == format_errors(errors)


def test_format_usage_without_limit() -> None:
    """Without a limit the count stands alone."""
    assert "1,234" == format_usage(1234, None, 0)


def test_examples() -> None:
    """The examples in the docstrings hold."""
    assert 0 == doctest.testmod(formatting).failed
