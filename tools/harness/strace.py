"""Run a program under strace(1), and read its calls of fanotify and inotify."""

from __future__ import annotations

import errno
import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path


# -f: follow children; -Y: print thread names; -X raw: print flags as numbers.
STRACE = ("strace", "-f", "-Y", "-X", "raw", "-e", "trace=fanotify_mark")

# All calls that ``trace`` shows, with whole paths.
EVERY_CALL = (
    *("strace", "-f", "-X", "raw", "-s", "4096", "-e"),
    "trace=fanotify_mark,fanotify_init,inotify_init,inotify_init1,inotify_add_watch",
)
ANY_CALL = re.compile(
    r"(?P<pid>\d+) +(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+)"
    r"(?: (?P<errno>E\w+) .*)?"
)
ANY_UNFINISHED = re.compile(r"(?P<pid>\d+) +(?P<begin>\w+\(.*) <unfinished \.\.\.>")
ANY_RESUMED = re.compile(r"(?P<pid>\d+) +<\.\.\. \w+ resumed>(?P<end>.*)")

# The calls of each thread by its number: name, arguments and result as text.
Threads = dict[int, list[tuple[str, ...]]]

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
    return parse_trace(_run(STRACE, command, folder))


def trace_every_call(command: Sequence[str | Path], folder: Path) -> Threads:
    """
    Return the calls of *command* and its children, those of each thread in order.

    Raises:
        AssertionError: strace printed a line about a call in an unknown form.
    """
    return parse_every_call(_run(EVERY_CALL, command, folder))


def parse_every_call(lines: Iterable[str]) -> Threads:
    """Return the calls in strace's *lines*; join the lines of an interrupted call."""
    threads: Threads = {}
    begun: dict[str, str] = {}
    for line in lines:
        if re.match(r"\d+ +(?:---|\+\+\+) ", line):  # a signal, or an exit
            continue
        if unfinished := ANY_UNFINISHED.fullmatch(line):
            begun[unfinished["pid"]] = unfinished["begin"]
            continue
        whole = line
        if resumed := ANY_RESUMED.fullmatch(line):
            whole = f"{resumed['pid']} {begun.pop(resumed['pid'])}{resumed['end']}"
        call = ANY_CALL.fullmatch(whole)
        assert call, f"strace printed an unknown form: {whole}"
        arguments = filter(None, call["arguments"].split(", "))
        result = call["errno"] or call["result"]
        told = call["name"], *map(_plain, arguments), result
        threads.setdefault(int(call["pid"]), []).append(told)
    return threads


def _plain(argument: str) -> str:
    """Return a number as the kernel takes it, in decimal; a path or NULL as it is."""
    if argument == "NULL" or argument.startswith('"'):
        return argument
    number = 0
    for term in argument.split("|"):
        number |= int(term, 0)
    return str(number)


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


def _run(
    strace: Sequence[str], command: Sequence[str | Path], folder: Path
) -> list[str]:
    """Return the lines that *strace* prints about *command* and its children."""
    output = folder / "strace"
    subprocess.run(
        [*strace, "-o", output, "--", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
        timeout=60,
    )
    return output.read_text(errors="replace").splitlines()
