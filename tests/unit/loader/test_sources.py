"""The joined sources, and the identity of the programs that they make."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fanotify_exporter.loader import sources
from fanotify_exporter.loader.sources import (
    PACKAGE,
    find_programs,
    identity,
    identity_files,
    join_sources,
)


# Prints the files of this package's modules that the loader child has imported.
LIST_MODULES = """\
import sys
import fanotify_exporter.loader.__main__
for name, module in sys.modules.items():
    if name.partition(".")[0] == "fanotify_exporter":
        print(module.__file__)
"""


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy the package, with the BPF sources as a wheel has them, and use the copy."""
    copied = tmp_path / PACKAGE.name
    shutil.copytree(PACKAGE, copied, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(find_programs(), copied / "bpf/programs", dirs_exist_ok=True)
    monkeypatch.setattr(sources, "PACKAGE", copied)
    return copied


def test_identity_is_stable() -> None:
    """Equal files and settings give equal identities of 16 digits."""
    assert re.fullmatch("[0-9a-f]{16}", identity("calls", "auto", 64))
    assert identity("calls", "auto", 64) == identity("calls", "auto", 64)


def test_folder_does_not_change_the_identity(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy of the files in another folder has the same identity."""
    files = {
        path.relative_to(copy)
        for path in identity_files("calls")
        if path.is_relative_to(copy)
    }
    assert Path("bpf/programs/calls/count.bpf.c") in files
    copied = identity("calls")
    monkeypatch.setattr(sources, "PACKAGE", PACKAGE)
    assert copied == identity("calls")


def test_settings_change_the_identity() -> None:
    """Each setting and its value change the identity."""
    settings = (("auto", 64), ("fentry", 64), ("auto", 65))
    assert 3 == len({identity("calls", *each) for each in settings})
    assert identity("calls", "auto", 64, "x") != identity("calls", "auto", 64, "y")


def test_kernel_changes_the_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another kernel or machine changes the identity, another host name does not."""
    kernel = ("Linux", "host", "5.10.0", "#1 SMP Debian 5.10.46-1", "x86_64")
    identities = []
    for changed in range(len(kernel)):
        other = [*kernel]
        other[changed] += "-other"
        monkeypatch.setattr("os.uname", lambda other=other: os.uname_result(other))
        identities.append(identity("calls"))
    assert identities[0] == identities[1]
    assert 4 == len({*identities})


def test_bytes_moved_between_files_change_the_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of one file and the beginning of the next are told apart."""
    files = [tmp_path / "one.h", tmp_path / "two.h"]
    monkeypatch.setattr(sources, "identity_files", lambda _: files)
    identities = set()
    for contents in (("ab", "c"), ("a", "bc")):
        for path, content in zip(files, contents, strict=True):
            path.write_text(content)
        identities.add(identity("calls"))
    assert 2 == len(identities)


def test_each_file_changes_the_identity(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte more in any file of the list changes the identity."""
    files = [path for path in identity_files("calls") if path.is_relative_to(copy)]
    monkeypatch.setattr(sources, "identity_files", lambda _: files)  # for speed
    before = identity("calls")
    for path in files:
        content = path.read_bytes()
        path.write_bytes(content + b"\n")
        assert before != identity("calls"), path
        path.write_bytes(content)
    assert before == identity("calls")


def test_every_imported_module_is_in_the_list() -> None:
    """The list has each module that the loader child imports, and all of loader/."""
    printed = subprocess.check_output(
        [sys.executable, "-c", LIST_MODULES], text=True, cwd=PACKAGE.parent
    )
    imported = set(map(Path, printed.splitlines())) - {PACKAGE / "__init__.py"}
    sets = ("calls", "permission", "fsnotify", "events", "trace")
    hashed = {path for programs in sets for path in identity_files(programs)}
    assert imported | set((PACKAGE / "loader").glob("*.py")) <= hashed
    assert set(find_programs().rglob("*.[ch]")) <= hashed
    assert any(path.match("bcc/version.py") for path in hashed)


def test_sets_have_files_of_their_own() -> None:
    """A change of a set's own files loads no other set anew."""
    calls, permission = map(set, map(identity_files, ("calls", "permission")))
    own = {path.name for path in permission - calls}
    assert {"permission_methods.py", "permission.h", "kprobe.bpf.c"} < own
    assert {"attach_methods.py", "calls.h"} < {path.name for path in calls - permission}
    shared = {path.name for path in permission & calls}
    assert {"methods.py", "links.py", "user_regs.h", "pins.py"} < shared
    assert identity("calls") != identity("permission")


def test_module_of_two_sets() -> None:
    """The loader of iterators is a part of the two sets that have an iterator."""
    having = {
        programs
        for programs in ("calls", "permission", "fsnotify", "events")
        if PACKAGE / "loader/iterator.py" in set(identity_files(programs))
    }
    assert {"permission", "fsnotify"} == having


def test_format_of_pins_is_in_the_list() -> None:
    """Pins that another version of the format made are not adopted."""
    assert PACKAGE / "bpf/pins.py" in set(identity_files("calls"))


def test_modules_of_serving_are_not_in_the_list() -> None:
    """A change of serving code keeps the identity, so a restart keeps the counts."""
    folders = {path.parent.name for path in identity_files("calls")}
    assert not {"web", "landing", "metrics", "collectors", "commands"} & folders
    assert PACKAGE / "bpf/call_maps.py" not in set(identity_files("calls"))


def test_excluded_module_has_the_version_only() -> None:
    """The one imported module that is not in the list assigns the version."""
    docstring, *statements = ast.parse((PACKAGE / "__init__.py").read_text()).body
    assert isinstance(docstring, ast.Expr)
    assert {"__version__"} == {
        target.id
        for statement in statements
        if not isinstance(statement, ast.ImportFrom)
        for target in getattr(statement, "targets", ())
    }


def test_joined_parts_keep_their_names() -> None:
    """Each part is preceded by a #line directive with the name of its file."""
    text = join_sources(["calls/count", "calls/kretprobe"])
    assert text.startswith('#line 1 "bpf/calls/count.bpf.c"\n// SPDX')
    assert '\n#line 1 "bpf/calls/kretprobe.bpf.c"\n// SPDX' in text
