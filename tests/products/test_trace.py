"""The installed ``trace`` tells the calls of fapolicyd and clamonacc, with paths."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tools.harness.processes import poll
from tools.harness.products import clamonacc, fapolicyd
from tools.harness.products.chroot import ROOT
from tools.harness.tracer_command import Tracing, tracing


def marks(running: Tracing, comm: str) -> list[dict[str, Any]]:
    """Return the calls of *comm* that add marks with permission events."""

    def read() -> list[dict[str, Any]]:
        return [
            call
            for call in map(json.loads, running.lines())
            if call["comm"] == comm
            and call["syscall"] == "fanotify_mark"
            and "_PERM" in call["mask"]
            and call["result"] == 0
        ]

    return poll(read)


def show(running: Tracing) -> None:
    """Print the lines, for docs/trace.md."""
    print("\n".join(running.lines()))


def test_fapolicyd(tmp_path: Path) -> None:
    """The marks of fapolicyd are on its mount, and block opens."""
    with (
        tracing(tmp_path, "--json", "--uid=root") as running,
        fapolicyd.running(permissive=True),
    ):
        found = marks(running, "fapolicyd")
        show(running)
    within = str(fapolicyd.WATCHED.relative_to(ROOT))
    assert {f"/{within}"} == {call["pathname"] for call in found}
    assert all("FAN_OPEN_PERM" in call["mask"].split("|") for call in found)


def test_clamonacc(tmp_path: Path) -> None:
    """A thread with a name of its own marks the folder that clamonacc includes."""
    with (
        tracing(tmp_path, "--json", "--uid=root") as running,
        clamonacc.running(tmp_path),
    ):
        found = marks(running, "clamonacc-ddd")
        show(running)
    within = str(clamonacc.SCANNED.relative_to(ROOT))
    assert {f"/{within}"} == {call["pathname"] for call in found}
