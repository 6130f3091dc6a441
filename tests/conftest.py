"""Fixtures of several layers: a stand-in for the loader child."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tools import CHECKOUT


@pytest.fixture
def loader_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """Let the loader's next child run a shell script in the place of Python."""

    def become(script: str) -> None:
        program = tmp_path / "child"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(program))

    return become


@pytest.fixture
def handing_over_child(loader_child: Callable[[str], None]) -> None:
    """Let the loader's next child hand over two arrays of memory and exit."""
    loader_child(
        f"cd {CHECKOUT}; exec {sys.executable} -m tests.unit.fixtures.handing_over "
        "$3 $4"
    )
