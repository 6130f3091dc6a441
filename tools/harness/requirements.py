"""What this layer needs of the machine: root, and programs of the distribution."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def missing(reason: str) -> NoReturn:
    """Skip the test for *reason*; where CI is "true", nothing may be skipped."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def need_root() -> None:
    """Skip unless this is root."""
    if os.geteuid() != 0:
        missing("tests/e2e load BPF programs: run them as root")


def need(program: str) -> str:
    """Return the path of *program*, or skip."""
    return shutil.which(program) or missing(f"{program} is not installed")
