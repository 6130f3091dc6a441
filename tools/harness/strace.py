"""Run a program under strace(1) and count its fanotify_mark(2) calls: the oracle."""

from __future__ import annotations

import errno
import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path


STRACE = ("strace", "-f", "-Y", "-X", "raw", "-e", "trace=fanotify_mark")
"""Follow children, name threads, print numbers."""

CALL = re.compile(
    r"(?P<pid>\d+)<(?P<comm>.*)> fanotify_mark\(-?\d+, (?P<flags>\w+), (?P<mask>\w+),"
    r".*?(?P<unfinished> <unfinished \.\.\.>)?(?:\) += (?P<result>.*))?"
)
RESUMED = re.compile(
    r"(?P<pid>\d+)<.*> <\.\.\. fanotify_mark resumed>\) += (?P<result>.*)"
)
RESULT = re.compile(r"(?:0|-1 (?P<errno>E\w+) \(.*\))")


def trace(
    command: Sequence[str | Path], folder: Path
) -> Counter[tuple[str, int, int, int]]:
    """
    Return how often *command* and its children called with (comm, flags, mask, errno).

    Raises:
        AssertionError: a line that is about a call cannot be understood.
    """
    output = folder / "strace"
    subprocess.run(
        [*STRACE, "-o", output, "--", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
        timeout=60,
    )
    return parse_trace(output.read_text(errors="replace").splitlines())


def parse_trace(lines: Iterable[str]) -> Counter[tuple[str, int, int, int]]:
    """Count the calls in strace's *lines*, joining unfinished and resumed halves."""
    calls: Counter[tuple[str, int, int, int]] = Counter()
    unfinished: dict[str, tuple[str, int, int]] = {}
    for line in lines:
        if "fanotify_mark" not in line:
            continue
        if resumed := RESUMED.fullmatch(line):
            calls[*unfinished.pop(resumed["pid"]), _errno(resumed["result"])] += 1
            continue
        call = CALL.fullmatch(line)
        assert call, f"strace said something new: {line}"
        key = call["comm"], int(call["flags"], 0), int(call["mask"], 0)
        if call["unfinished"]:
            unfinished[call["pid"]] = key
        else:
            calls[*key, _errno(call["result"])] += 1
    assert not unfinished, f"strace saw no end of {unfinished}"
    return calls


def _errno(result: str) -> int:
    match = RESULT.fullmatch(result)
    assert match, f"strace said something new: = {result}"
    return getattr(errno, match["errno"]) if match["errno"] else 0
