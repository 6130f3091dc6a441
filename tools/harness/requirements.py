"""Skip tests where the machine lacks root or programs of the distribution."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def missing(reason: str) -> NoReturn:
    """Skip the test for *reason*; fail it if the variable CI is "true"."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def need_root() -> None:
    """Skip the test unless it runs as root."""
    if os.geteuid() != 0:
        missing("the test loads BPF programs: run it as root")


def need(program: str) -> str:
    """Return the path of *program*, or skip the test."""
    return shutil.which(program) or missing(f"{program} is not installed")
