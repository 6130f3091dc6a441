"""Calls of other projects' programs are counted as strace(1) counts them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.harness.kernel_caller import Caller
from tools.harness.kernel_calls import Counts
from tools.harness.strace import STRACE, parse_trace, trace


ANY_HOOK = pytest.mark.any_hook


@pytest.mark.parametrize(
    ("command", "at_least"),
    [
        pytest.param(["fatrace", "--seconds", "1"], 1, marks=ANY_HOOK),
        pytest.param(
            ["fatrace", "--seconds", "1", "--current-mount"], 1, marks=ANY_HOOK
        ),
        (["fsnotifywait", "--timeout", "1", "."], 1),
        pytest.param(
            ["fsnotifywait", "--timeout", "1", "--filesystem", "--event", "open", "."],
            1,
            marks=ANY_HOOK,
        ),
        pytest.param(
            ["stress-ng", "--fanotify", "2", "--fanotify-ops", "300"],
            100,
            marks=ANY_HOOK,
        ),
    ],
    ids=["fatrace", "fatrace-mount", "fsnotifywait", "fsnotifywait-fs", "stress-ng"],
)
def test_counts_equal_those_of_strace(
    counts: Counts, tmp_path: Path, command: list[str], at_least: int
) -> None:
    """Each (comm, flags, mask, errno) is counted as often as strace saw the call."""
    seen = trace(command, tmp_path)

    assert seen.total() >= at_least
    counts.agree(seen, *(comm for comm, *_ in seen))


@pytest.mark.many_keys
def test_strace_agrees_with_the_caller(
    counts: Counts, caller: Caller, tmp_path: Path
) -> None:
    """The reports of strace(1) and caller.c are equal, and their calls are counted."""
    plan = [
        (1 << flag, 1 << mask, 1)
        for flag in range(0, 32, 2)
        for mask in range(0, 64, 3)
    ]
    output = tmp_path / "strace"

    made = caller.run(plan, "both", threads=2, wrap=(*STRACE, "-o", str(output), "--"))
    seen = parse_trace(output.read_text().splitlines())

    assert made == seen
    counts.agree(made, "both0", "both1")
