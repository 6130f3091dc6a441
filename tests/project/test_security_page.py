"""docs/security.md names tests that there are."""

from __future__ import annotations

import ast
import re
from pathlib import Path


TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs/security.md").read_text()


def names_of_tests(path: Path) -> set[str]:
    return {
        node.name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_test_that_is_named_is_there() -> None:
    """A threat cannot keep the name of a test that was renamed or taken out."""
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE)
    assert len(named) > 40
    assert [] == [
        f"{file}::{test}"
        for file, test in named
        if test not in names_of_tests(TESTS / file)
    ]


def test_every_threat_has_a_test() -> None:
    """No row of the table of threats is without one."""
    table = PAGE.split("\n## Threats\n\n")[1].split("\n\n")[0]
    _, _, *rows = table.splitlines()
    assert rows
    assert [] == [row for row in rows if "::test_" not in row.split(" | ")[-1]]
