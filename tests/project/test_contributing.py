"""The files, folders and make targets that CONTRIBUTING.md names exist."""

from __future__ import annotations

import re

import pytest

from tools import CHECKOUT


PAGE = (CHECKOUT / "CONTRIBUTING.md").read_text()
PACKAGE = "exporter/fanotify_exporter/"

# Files that exist only after a command has made them.
MADE = {"dist/"}

# The page writes "…/" for the folder of the package.
ABBREVIATED = "…/"
# A path with a folder, or a folder. NAME stands for any name.
PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)+/?|[\w-]+/")
CODE = re.findall(r"`([^`\n]+)`", PAGE)
PATHS = sorted(
    {
        path
        for code in CODE
        if PATH.fullmatch(path := code.replace(ABBREVIATED, PACKAGE))
    }
    - MADE
)
TARGETS = sorted(
    {
        target
        for code in CODE
        if code.startswith("make ")
        for target in re.findall(r" ([a-z][a-z-]+)(?= |$)", code)
    }
)


def test_paths_and_targets_are_found() -> None:
    """The page names many paths and make targets."""
    assert len(PATHS) > 40
    assert len(TARGETS) > 15


@pytest.mark.parametrize("path", PATHS)
def test_path(path: str) -> None:
    """A path leads to a file or a folder of the repository."""
    assert [*CHECKOUT.glob(path.rstrip("/").replace("NAME", "*"))]


@pytest.mark.parametrize("target", TARGETS)
def test_target(target: str) -> None:
    """A target is a target of the Makefile."""
    assert re.search(rf"^{target}:", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
