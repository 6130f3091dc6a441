"""The parts of the programs, run on real groups where the kernel refuses the hooks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools import CHECKOUT


LOCKED_DOWN = "lockdown=confidentiality" in Path("/proc/cmdline").read_text()


@pytest.mark.skipif(LOCKED_DOWN, reason="the kernel refuses the read helper")
def test_groups_of_each_kind(tmp_path: Path) -> None:
    """Listeners have their names, and inotify, users and too many groups do not."""
    scratch = tmp_path / "scratch"
    scratch.touch()
    child = (sys.executable, "-m", "tools.harness.child_events", str(scratch))
    printed = subprocess.check_output(child, cwd=CHECKOUT, text=True)
    assert {
        "counted": {
            "first": [3, 1, 1, 0],
            "second": [0, 0, 1, 0],
            "protector": [0, 0, 2, 1],
            "many": [256, 0, 0, 0],
            "[other: not known]": [1, 0, 0, 0],
            "[other: map full]": [44, 0, 0, 0],
            "[other: unprivileged]": [3, 1, 2, 0],
        },
        "entries": [2, 0, 256],
    } == json.loads(printed)
