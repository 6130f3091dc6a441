from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fanotify_exporter import __version__
from tools import CHECKOUT
from tools.harness.release_clone import Clone
from tools.release.checks import git


@pytest.fixture(scope="session")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """Make a repository of the files in the checkout, ready to be released."""
    clone = Clone(tmp_path_factory.mktemp("release") / "ready")
    names = git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, names.split("\0")):
        if (CHECKOUT / name).exists():
            (clone.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / name, clone.folder / name)
    changelog = clone.folder / "CHANGELOG.md"
    heading = f"## {__version__} - 2026-01-02"
    first = re.compile(r"^## .*", re.MULTILINE)
    changelog.write_text(first.sub(heading, changelog.read_text(), count=1))
    clone.git("init", "--quiet")
    clone.commit()
    return clone


@pytest.fixture
def make_clone(ready: Clone, tmp_path: Path) -> Callable[[str], Clone]:
    """Return a function that clones the repository into a folder of a given name."""

    def make(name: str) -> Clone:
        folder = tmp_path / name
        ready.git("clone", "--quiet", ".", os.fspath(folder))
        return Clone(folder)

    return make


@pytest.fixture
def clone(make_clone: Callable[[str], Clone]) -> Clone:
    return make_clone("clone")
