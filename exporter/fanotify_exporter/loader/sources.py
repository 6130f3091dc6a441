"""Find and join the sources of the BPF programs, and identify pinned programs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Final


PACKAGE: Final = Path(__file__).parents[1]


def find_programs() -> Path:
    """Return the folder of BPF sources: in the package, or beside it in a clone."""
    folders = (PACKAGE / "bpf/programs", PACKAGE.parents[1] / "bpf")
    return next(folder for folder in folders if (folder / "calls/calls.h").is_file())


def join_sources(sources: Iterable[str]) -> str:
    """
    Return the parts named *sources* as one C text.

    bcc finds programs and rewrites map accesses in the main file only, so the parts
    cannot include each other. The #line directives let clang name the part's own file
    and line in errors.
    """
    folder = find_programs()
    return "".join(
        f'#line 1 "bpf/{name}.bpf.c"\n{(folder / f"{name}.bpf.c").read_text()}'
        for name in sources
    )


# By set of programs: the modules of loader/ that not every set needs. A change of
# them loads no set anew that does not need them.
_OWN_MODULES: Final = {
    "calls": {"attach_methods.py", "privilege.py"},
    "permission": {"permission.py", "permission_methods.py", "iterator.py"},
    "fsnotify": {"fsnotify.py", "iterator.py", "call_iterator.py"},
    "events": {"events.py", "events_methods.py"},
    "trace": {"trace.py"},  # is never pinned
}


def identity(programs: str, *settings: object) -> str:
    """
    Return 16 hex digits that identify the set *programs* of BPF programs.

    The digits depend on the set's BPF sources, the modules of the loader child that the
    set needs, the format of the pins, the version of bcc, the running kernel, and
    *settings*. The digits do not depend on the host name, which is new in each new pod
    or container.

    Args:
        programs: a key of _OWN_MODULES, also the folder of the sources.
    """
    kernel = os.uname()
    facts = kernel.release, kernel.version, kernel.machine, programs, settings
    digest = sha256(repr(facts).encode())
    for path in identity_files(programs):
        digest.update(sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def identity_files(programs: str) -> Iterator[Path]:
    """
    Yield the files that identity() hashes for the set *programs*.

    The package's own __init__.py is not among the files: it has the exporter's
    version, and a new version with the same programs adopts the pinned programs.
    """
    for folder in ("include", programs):
        yield from sorted((find_programs() / folder).rglob("*.[ch]"))
    loader = set((PACKAGE / "loader").glob("*.py"))
    pin_format = PACKAGE / "bpf/pins.py"
    modules = _import_closure(PACKAGE / "loader/__main__.py") | loader | {pin_format}
    foreign = set[str]().union(*_OWN_MODULES.values()) - _OWN_MODULES[programs]
    unused = {PACKAGE / "loader" / name for name in foreign}
    yield from sorted(modules - unused - {PACKAGE / "__init__.py"})
    if version := find_bcc_version_file():
        yield version


def find_bcc_version_file() -> Path | None:
    """Return bcc's file with its version, None if bcc is not installed."""
    bcc = find_spec("bcc")
    path = Path(bcc.origin).with_name("version.py") if bcc and bcc.origin else None
    return path if path and path.is_file() else None


def _import_closure(module: Path) -> set[Path]:
    """Return *module* and what it imports of this package, directly or indirectly."""
    found: set[Path] = set()
    waiting = {module}
    while waiting:
        path = waiting.pop()
        found.add(path)
        waiting |= set(_imported_files(path)) - found
    return found


def _imported_files(module: Path) -> Iterator[Path]:
    """Yield the files of this package that the import statements of *module* name."""
    import ast  # noqa: PLC0415  0.2 MB, which only a start with pins needs

    for node in ast.walk(ast.parse(module.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.module:
            first, *parts = node.module.split(".")
            if first == PACKAGE.name:
                yield from _files_of(parts)
                for alias in node.names:
                    yield from _files_of([*parts, alias.name])


def _files_of(parts: list[str]) -> Iterator[Path]:
    """Yield the file of the module *parts* and of each package around the module."""
    for length in range(len(parts) + 1):
        path = PACKAGE.joinpath(*parts[:length])
        for candidate in (path / "__init__.py", path.with_suffix(".py")):
            if candidate.is_file():
                yield candidate
