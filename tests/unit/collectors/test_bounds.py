"""Bounds on the label values that ordinary users choose."""

from __future__ import annotations

from operator import add

import pytest

from fanotify_exporter.collectors.bounds import (
    MAX_NAMES,
    TOO_MANY,
    BoundedGauge,
    Combine,
    Values,
    bound_names,
)


def test_few_names_stay() -> None:
    """As many names as are allowed stay as they are."""
    values: Values = {((f"u{n}",), ("mount",)): n for n in range(MAX_NAMES)}
    assert values == bound_names(values, (), add)


@pytest.mark.parametrize(("combine", "expected"), [(add, 3.0), (max, 2.0)])
def test_rest(combine: Combine, expected: float) -> None:
    """The values of the smallest names are combined, without a container."""
    values: Values = {((f"u{n}", "/a", "id"), ()): n for n in range(1, MAX_NAMES + 3)}
    bounded = bound_names(values, (), combine)
    assert MAX_NAMES + 1 == len(bounded)
    assert expected == bounded[(TOO_MANY, "", ""), ()]


def test_size_of_a_name() -> None:
    """The size of a name combines the values of its series, which stay apart."""
    crowd: Values = {((f"u{n}",), ("x",)): 2 for n in range(MAX_NAMES)}
    values = {**crowd, (("v",), ("x",)): 1.0, (("v",), ("y",)): 2.0}
    bounded = bound_names(values, (), add)
    assert 1 == bounded[("v",), ("x",)]
    assert 2 == bounded[("v",), ("y",)] == bounded[(TOO_MANY,), ("x",)]


def test_trusted_names_take_no_place() -> None:
    """Names that always stay do not count among the largest."""
    crowd: Values = {((f"u{n}",), ()): 5 for n in range(MAX_NAMES)}
    trusted: Values = {((f"root{n}",), ()): 9 for n in range(MAX_NAMES)}
    values = {**crowd, **trusted}
    assert values == bound_names(values, [name for name, _ in trusted], add)


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
