"""
The exposition of a fixed set of samples equals the reviewed files in golden/.

``make golden`` rewrites the files.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tools.harness.golden import ENCODERS, TEXT, render


@pytest.mark.parametrize("golden", ENCODERS)
def test_exposition_is_as_reviewed(golden: Path, pytestconfig: pytest.Config) -> None:
    """The exposition of the samples equals the reviewed file."""
    text = render()[golden]
    if pytestconfig.getoption("--update-golden", default=False):
        golden.write_text(text)
    assert golden.read_text().splitlines() == text.splitlines()


def test_promtool_accepts_the_text() -> None:
    """Promtool accepts all names, types and HELP texts."""
    promtool = shutil.which("promtool")
    if not promtool:
        pytest.skip("no promtool (Debian: prometheus)")
    with TEXT.open("rb") as text:
        check = subprocess.run(
            [promtool, "check", "metrics"],
            stdin=text,
            capture_output=True,
            text=True,
            check=False,
        )
    assert ("", "", 0) == (check.stdout, check.stderr, check.returncode)
