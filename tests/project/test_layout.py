"""The direction of imports outside the package: tests -> tools -> the package."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tools import CHECKOUT


FOLDERS = ("exporter", "grafana", "tools", "tests")
FILES = sorted(path for name in FOLDERS for path in (CHECKOUT / name).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Return the top-level names that the file at *path* imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert 0 == node.level, f"{path}: a relative import"
            found.add(str(node.module).partition(".")[0])
    return found


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("exporter", {"grafana", "tools", "tests"}),
        ("grafana", {"tools", "tests"}),
        ("tools", {"tests"}),
        ("tests", {"tests"}),
    ],
)
def test_direction(folder: str, forbidden: set[str]) -> None:
    """No file of *folder* imports from *forbidden* folders, such as tests."""
    files = [path for path in FILES if path.is_relative_to(CHECKOUT / folder)]
    assert files
    assert {} == {
        path: found for path in files if (found := imported(path) & forbidden)
    }
