"""divide_durations() speeds up the shipped files for tests/e2e."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tools.harness.rules import shipped
from tools.harness.rules.durations import (
    DURATION,
    FACTOR,
    TIMED_KEYS,
    divide_durations,
    seconds,
)


# A value of a document, after the keys that lead to the value.
Leaf = tuple[tuple[str, ...], str]


def leaves(node: object, *keys: str) -> Iterator[Leaf]:
    """Yield each value of a document with the keys that lead to the value."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from leaves(value, *keys, key)
    elif isinstance(node, list):
        for value in node:
            yield from leaves(value, *keys)
    else:
        yield keys, str(node)


@pytest.mark.parametrize(
    "path",
    [*shipped.RULE_FILES, shipped.SCRAPE_EXAMPLE, shipped.ALERTMANAGER_EXAMPLE],
    ids=lambda path: path.name,
)
def test_only_durations_change(path: Path) -> None:
    """divide_durations() divides every duration of a file and changes nothing else."""
    before = list(leaves(yaml.safe_load(path.read_text())))
    after = list(leaves(divide_durations(path)))
    assert [keys for keys, _ in before] == [keys for keys, _ in after]
    for (keys, old), (_, new) in zip(before, after, strict=True):
        if keys[-1] in TIMED_KEYS:
            shorter = [pytest.approx(each / FACTOR) for each in seconds(old)]
            assert shorter == seconds(new)
            assert DURATION.sub("", old) == DURATION.sub("", new)
        else:
            assert seconds(old) == []
            assert old == new
