"""Bounds on the label values that ordinary users choose."""

from __future__ import annotations

from operator import add

import pytest

from fanotify_exporter.collectors.bounds import (
    MAX_SERIES,
    TOO_MANY,
    BoundedGauge,
    Combine,
    Values,
    bound_series,
)


def test_few_series_stay() -> None:
    """As many series as are allowed stay as they are."""
    values: Values = {((f"u{n}",), ("mount",)): n for n in range(MAX_SERIES)}
    assert values == bound_series(values, (), add)


@pytest.mark.parametrize(("combine", "expected"), [(add, 3.0), (max, 2.0)])
def test_rest(combine: Combine, expected: float) -> None:
    """The values of the smallest names are combined, without a container."""
    values: Values = {((f"u{n}", "/a", "id"), ()): n for n in range(1, MAX_SERIES + 3)}
    bounded = bound_series(values, (), combine)
    assert MAX_SERIES + 1 == len(bounded)
    assert expected == bounded[(TOO_MANY, "", ""), ()]


def test_other_labels() -> None:
    """Each series counts, and the rest has a series for each of the other labels."""
    crowd: Values = {((f"u{n}",), ("x",)): 2 for n in range(MAX_SERIES)}
    small: Values = {((f"v{n}",), (other,)): 1 for n in range(9) for other in "xy"}
    bounded = bound_series({**crowd, **small}, (), add)
    assert {**crowd, ((TOO_MANY,), ("x",)): 9, ((TOO_MANY,), ("y",)): 9} == bounded


def test_trusted_names_take_no_place() -> None:
    """Series that always stay do not count among the largest."""
    crowd: Values = {((f"u{n}",), ()): 5 for n in range(MAX_SERIES)}
    trusted: Values = {((f"root{n}",), ()): 9 for n in range(MAX_SERIES)}
    values = {**crowd, **trusted}
    assert values == bound_series(values, [name for name, _ in trusted], add)


def test_gauge() -> None:
    """Labels of containers come last, as in the families of calls."""
    gauge = BoundedGauge("a", "b", ("comm", "class"), ("cgroup",), combine=max)
    gauge.add(("c", "/c"), 1, "content")
    gauge.add(("c", "/c"), 3, "content")
    gauge.add(("c", "/c"), 2, "content")
    (sample,) = gauge.family().samples
    assert [("comm", "c"), ("class", "content"), ("cgroup", "/c")] == [
        *sample.labels.items()
    ]
    assert 3 == sample.value
