"""Values of a YAML file, and errors that name their place."""

from __future__ import annotations

import pytest
import yaml

from fanotify_exporter.errors import ConfigError
from fanotify_exporter.web.yaml_entry import ROOT, Entry


def entry(text: str) -> Entry:
    node = yaml.compose(text, Loader=yaml.BaseLoader)
    assert node
    return Entry(node, ROOT, 1)


def test_error_names_line_and_path() -> None:
    """The error of a nested value has its line and the keys that lead to it."""
    outer = entry("a:\n  b:\n    c: 1\n").entries()
    inner = outer["a"].entries()["b"].entries()["c"]
    assert "line 3: a.b.c is wrong" == str(inner.error("is wrong"))


@pytest.mark.parametrize("text", ["a: ", "a: ~", "a: null", "a: NULL"])
def test_null(text: str) -> None:
    """YAML's null is an empty text and an empty mapping."""
    value = entry(text).entries()["a"]
    assert ("", {}) == (value.text(), value.entries())


def test_quoted_null() -> None:
    """A quoted null is text."""
    assert "null" == entry("a: 'null'").entries()["a"].text()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("? [a]\n: x", "line 1: a key in the file is a list or a mapping: use"),
        ("[a]", "line 1: the file is not a mapping: write key: value"),
        ("b: 1", "line 1: b is unknown: use one of a"),
        ("a: 1\na: 2", "line 2: a is set twice: remove one"),
        ('"a\\0": 1', "line 1: a key in the file contains a NUL or a surrogate"),
    ],
)
def test_refused_mappings(text: str, error: str) -> None:
    """A mapping with a bad key is refused with the line of the key."""
    with pytest.raises(ConfigError) as refused:
        entry(text).entries(("a",))
    assert str(refused.value).startswith(error)
