"""The straight line: who may import whom, and who touches which outside world."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import exporter


PACKAGE = Path(exporter.__file__).parent

LINE = (
    # What all may use: words, numbers, what others wrote; they import none of ours.
    {"errors", "uapi", "procfs", "revision", "hooks", "logs", "bpf_syscall", "sources"},
    {"kcmp", "pace", "privileges", "fdinfo", "handover", "tracefs", "ftrace"},
    {"perf_links"},
    # The kernel's side: probes run in a child, the loader starts it, maps are read.
    # The other source is /proc, looked at by a thread.
    {"holders"},
    {"probes", "loader", "maps", "pins", "group_scan"},
    {"check"},
    # Collectors turn samples into families; they get callables, not the loader.
    {"series", "containers"},
    {"mark_calls", "init_calls", "groups", "limits", "exporter_health"},
    {"registry", "exposition", "overview"},
    {"notices"},
    {"landing"},
    # HTTP: what holds connections, what answers, and what binds the two.
    {"worker", "web_config", "systemd"},
    {"sharing", "connections", "basic_auth", "tls"},
    {"door"},
    {"pages"},
    {"web"},
    {"flags", "healthcheck"},
    {"app"},
    {"cli"},
    {"__main__"},
)
"""From the kernel to HTTP; a module imports only from the sets before its own."""

MODULES = sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__")


def tree(module: str) -> ast.Module:
    return ast.parse((PACKAGE / f"{module}.py").read_text())


def imported(module: str) -> set[str]:
    """Return every module and name that *module* imports, at any place, dotted."""
    found = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "an import that is not absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def imports_of_ours(module: str) -> set[str]:
    """Return the modules of the package that *module* imports."""
    parts = (name.split(".") for name in imported(module))
    ours = {part[1] for part in parts if part[0] == "exporter" and len(part) > 1}
    return ours - {"__version__"}


def importers_of(*packages: str) -> set[str]:
    return {
        module
        for module in MODULES
        if {name.partition(".")[0] for name in imported(module)} & set(packages)
    }


def docstrings(module: ast.Module) -> Iterator[ast.Constant]:
    """Yield the strings that only document, wherever they stand."""
    for node in ast.walk(module):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value


def strings(module: str) -> Iterator[str]:
    """Yield each string that the program uses."""
    parsed = tree(module)
    documentation = {id(node) for node in docstrings(parsed)}
    for node in ast.walk(parsed):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in documentation
        ):
            yield node.value


def test_every_module_has_its_place() -> None:
    """A new module must be put somewhere on the line, here."""
    placed = [module for modules in LINE for module in modules]
    assert MODULES == sorted(placed)


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_backwards(module: str) -> None:
    """A module imports only what stands before it on the line."""
    place = next(i for i, modules in enumerate(LINE) if module in modules)
    before = {name for modules in LINE[:place] for name in modules}
    assert imports_of_ours(module) <= before


def test_no_one_imports_the_loader_child() -> None:
    """The child's module is run, never imported: LLVM stays out of the server."""
    assert set() == {
        module for module in MODULES if "probes" in imports_of_ours(module)
    }


def test_only_the_command_line_knows_the_loader() -> None:
    """Collectors and web get callables, so they need no kernel."""
    assert {"app", "check"} == {
        module for module in MODULES if "loader" in imports_of_ours(module)
    }


def test_bcc_is_in_one_module() -> None:
    """Only the loader child imports bcc."""
    assert {"probes"} == importers_of("bcc")


def test_bcc_is_imported_when_loading_only() -> None:
    """Even the loader child's module imports without bcc."""
    top = ast.Module(
        [
            node
            for node in tree("probes").body
            if isinstance(node, ast.Import | ast.ImportFrom)
        ],
        [],
    )
    assert "bcc" not in ast.unparse(top)


def test_sockets_are_where_they_belong() -> None:
    """HTTP is in web and what it binds; the rest talks to one other process each."""
    of_http = {"connections", "pages", "web"}
    of_child = {"handover", "loader", "probes"}
    of_systemd = {"systemd"}
    importers = importers_of("socket", "socketserver")
    assert importers <= of_http | of_child | of_systemd
    assert of_http == importers_of("tornado")


def test_libraries_are_where_they_belong() -> None:
    """YAML is for the web configuration, bcrypt for its passwords."""
    assert {"web_config"} == importers_of("yaml")
    assert {"basic_auth"} == importers_of("bcrypt")


def test_proc_is_where_it_belongs() -> None:
    """Paths of /proc are in procfs, and in the child that reads its own."""
    users = {
        module
        for module in MODULES
        if any(text.startswith("/proc") for text in strings(module))
    }
    assert {"procfs", "probes"} == users


def test_argv_is_read_in_one_place() -> None:
    """Only the command line reads argv, and the child its own, as a program."""
    readers = set()
    for module in MODULES:
        body = tree(module)
        if module == "probes":
            guard = body.body[-1]
            assert isinstance(guard, ast.If)
            assert "__name__ == '__main__'" == ast.unparse(guard.test)
            body.body.pop()
        if "argv" in {
            node.attr for node in ast.walk(body) if isinstance(node, ast.Attribute)
        } or "sys.argv" in imported(module):
            readers.add(module)
    assert {"cli"} == readers


@pytest.mark.parametrize("module", ["__init__", *MODULES])
def test_module_says_what_it_is(module: str) -> None:
    """Every module has a docstring."""
    assert ast.get_docstring(tree(module))


@pytest.mark.parametrize("module", MODULES)
def test_module_is_short(module: str) -> None:
    """No module grows beyond what one reads in one go."""
    assert len((PACKAGE / f"{module}.py").read_text().splitlines()) <= 350
