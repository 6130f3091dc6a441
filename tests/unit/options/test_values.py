"""The values of flags: accepted values, and errors for all others."""

from __future__ import annotations

from argparse import ArgumentTypeError

import pytest

from fanotify_exporter.options.values import (
    MAX_MAX_ENTRIES,
    interval,
    labels,
    max_entries,
    telemetry_path,
)


@pytest.mark.parametrize("text", ["/metrics", "/deep/path", "/a.b~c-d_1"])
def test_telemetry_path(text: str) -> None:
    """A path of words is accepted as it is."""
    assert text == telemetry_path(text)


@pytest.mark.parametrize("text", ["", "/", "metrics", "/-/ready", "/a//b", "/a?b"])
def test_bad_telemetry_path(text: str) -> None:
    """The landing page and the health pages keep their paths."""
    with pytest.raises(ArgumentTypeError) as caught:
        telemetry_path(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("number", [1, 8192, MAX_MAX_ENTRIES])
def test_max_entries(number: int) -> None:
    """Any number up to the maximum is accepted."""
    assert number == max_entries(str(number))


@pytest.mark.parametrize(
    "text",
    [
        *("", "0", "-1", "1e3", "many", "1_000", " 5", "+5", "\u00b2"),
        str(MAX_MAX_ENTRIES + 1),
    ],
)
def test_bad_max_entries(text: str) -> None:
    """Only decimal digits are a number, and the error names value and range."""
    with pytest.raises(ArgumentTypeError) as caught:
        max_entries(text)
    assert f"{text!r} is not a number from 1 to {MAX_MAX_ENTRIES}" == str(caught.value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("1", 1), ("45", 45), ("90s", 90), ("5m", 300)),
        *(("24h", 86_400), ("86400", 86_400), ("1d", 86_400)),
    ],
)
def test_interval(text: str, seconds: int) -> None:
    """A time is a number of seconds, minutes, hours or days."""
    assert seconds == interval(text)


@pytest.mark.parametrize(
    "text", ["", "0", "0s", "25h", "-1s", "1.5s", "1 s", "s", "2d", "1D", "\u00b2s"]
)
def test_bad_interval(text: str) -> None:
    """The error names the value, the range, the units and an example."""
    with pytest.raises(ArgumentTypeError) as caught:
        interval(text)
    assert (
        f"{text!r} is not a time from 1s to 24h: use a number and s, m, h or d, for "
        "example 30s"
    ) == str(caught.value)


def test_labels() -> None:
    """Labels are separated by commas; an empty value drops none."""
    assert ("mask", "comm") == labels("mask,comm,", ("comm", "mask"))
    assert () == labels("", ("comm", "mask"))


@pytest.mark.parametrize("name", ["action", "comm ", "COMM"])
def test_label_that_cannot_be_dropped(name: str) -> None:
    """The error names the label and the labels that can be dropped."""
    with pytest.raises(ArgumentTypeError) as caught:
        labels(f"mask,{name}", ("comm", "mask"))
    assert f"{name!r} is not one of comm, mask" == str(caught.value)
