"""Run a program under strace(1) and count its fanotify_mark(2) calls."""

from __future__ import annotations

import errno
import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path


# -f: follow children; -Y: print thread names; -X raw: print flags as numbers.
STRACE = ("strace", "-f", "-Y", "-X", "raw", "-e", "trace=fanotify_mark")

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
    Return the number of calls of *command* and its children, by key.

    A key is (comm, flags, mask, errno).

    Raises:
        AssertionError: strace printed a line about a call in an unknown form.
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
    """Count the calls in strace's *lines*; join the lines of an interrupted call."""
    calls: Counter[tuple[str, int, int, int]] = Counter()
    unfinished: dict[str, tuple[str, int, int]] = {}
    for line in lines:
        if "fanotify_mark" not in line:
            continue
        if resumed := RESUMED.fullmatch(line):
            calls[*unfinished.pop(resumed["pid"]), _errno(resumed["result"])] += 1
            continue
        call = CALL.fullmatch(line)
        assert call, f"strace printed an unknown form: {line}"
        key = call["comm"], int(call["flags"], 0), int(call["mask"], 0)
        if call["unfinished"]:
            unfinished[call["pid"]] = key
        else:
            calls[*key, _errno(call["result"])] += 1
    assert not unfinished, f"strace printed no result of {unfinished}"
    return calls


def _errno(result: str) -> int:
    match = RESULT.fullmatch(result)
    assert match, f"strace printed an unknown result: {result}"
    return getattr(errno, match["errno"]) if match["errno"] else 0
