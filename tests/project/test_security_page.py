"""The tests that docs/security.md names exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest


TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs/security.md").read_text()


def names_of_tests(path: Path) -> set[str]:
    return {
        node.name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_test_that_is_named_is_there() -> None:
    """Each test that the page names exists under that name."""
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE)
    assert len(named) > 40
    assert [] == [
        f"{file}::{test}"
        for file, test in named
        if test not in names_of_tests(TESTS / file)
    ]


@pytest.mark.parametrize("title", ["Threats", "Accidents"])
def test_every_row_has_a_test(title: str) -> None:
    """Each row of both tables names a test."""
    table = PAGE.split(f"\n## {title}\n\n")[1].split("\n\n")[0]
    _, _, *rows = table.splitlines()
    assert rows
    assert [] == [row for row in rows if "::test_" not in row.split(" | ")[-1]]
