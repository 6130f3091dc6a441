"""Import rules beyond the contract in pyproject.toml: lazy imports, single readers."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import fanotify_exporter


PACKAGE = Path(fanotify_exporter.__file__).parent
MODULES = {
    path.relative_to(PACKAGE).as_posix().removesuffix(".py"): ast.parse(
        path.read_text()
    )
    for path in PACKAGE.rglob("*.py")
}


def strings(module: ast.Module) -> Iterator[str]:
    """Yield each string of *module* that is no docstring."""
    documentation = {
        id(node.value) for node in ast.walk(module) if isinstance(node, ast.Expr)
    }
    for node in ast.walk(module):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in documentation
        ):
            yield node.value


def imported(statements: Iterator[ast.AST] | list[ast.stmt]) -> set[str]:
    """Return the top-level packages that *statements* import."""
    found = set()
    for node in statements:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert 0 == node.level, "an import that is not absolute"
            found.add(str(node.module).partition(".")[0])
    return found


def test_bcc_is_imported_when_loading_only() -> None:
    """Only a function of the loader imports bcc, and no module at its top level."""
    importers = {
        name for name, module in MODULES.items() if "bcc" in imported(ast.walk(module))
    }
    assert {"loader/compile"} == importers
    assert "bcc" not in imported(MODULES["loader/compile"].body)


def test_sockets_are_where_they_belong() -> None:
    """Sockets are used for HTTP, the health check, the loader's channel and systemd."""
    importers = {
        name.partition("/")[0]
        for name, module in MODULES.items()
        if {"socket", "socketserver"} & imported(ast.walk(module))
    }
    assert {"commands", "web", "loader", "system"} == importers


def test_proc_is_where_it_belongs() -> None:
    """Only procfs and the loader name paths below /proc."""
    users = {
        name.partition("/")[0]
        for name, module in MODULES.items()
        if any(text.startswith("/proc") for text in strings(module))
    }
    assert {"procfs", "loader"} == users


def test_argv_is_read_in_one_place() -> None:
    """Only the command line and the loader's child read argv."""
    readers = {
        name
        for name, module in MODULES.items()
        if any(
            isinstance(node, ast.Attribute) and node.attr == "argv"
            for node in ast.walk(module)
        )
    }
    assert {"cli", "loader/__main__"} == readers
