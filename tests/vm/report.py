"""The table of results, for the terminal and for docs/kernels.md."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from .guest import CONSOLE
from .matrix import HOOKS, Result
from .verdicts import NOT_ASKED_FOR, Kind


TAIL_LINES = 40

PAGE_HEAD = """\
# Kernels

Written by `python -m tests.vm --arch all --write-docs`; do not edit.

Each row is one QEMU guest with a cloud kernel of Debian, each cell one run of
`tests/kernel` with that hook forced. *Exact* means that every call which the tests
made was counted, none twice and none under another key, or is in the number that the
kernel says it let no program see: that happens where a kernel preempts itself and tasks
compete for a CPU. *Compat* tests make 32-bit calls on a 64-bit kernel; on the
tracepoint hook they assert that none of those is counted.

"""


def table(results: Sequence[Result]) -> str:
    """Return one line for each kernel and hook, aligned."""
    lines = list[tuple[str, str, str]]()
    for result in results:
        cells = dict(result.cells)
        if len(set(cells.values())) == 1 and len(cells) > 1:
            cells = {"every hook": cells.popitem()[1]}
        for position, (hook, cell) in enumerate(cells.items()):
            lines.append((result.label if position == 0 else "", hook, str(cell)))
    widths = [max((len(line[i]) for line in lines), default=0) for i in (0, 1)]
    return "".join(
        f"{label:{widths[0]}}  {hook:{widths[1]}}  {cell}\n"
        for label, hook, cell in lines
    )


def failures(result: Result, results: Path) -> str:
    """
    Return what a human needs to see of the failed row *result*.

    That is, of each failed hook, the names of the tests and the end of pytest's
    output, and the end of the guest's console; *results* has the whole of them.
    """
    parts = [f"\n{result.label}: failed, all output is in {results}\n"]
    for hook, cell in result.cells.items():
        if cell.kind is Kind.FAILED:
            parts += [f"  {hook}: {cell}\n"]
            parts += [f"    {name}\n" for name in cell.failures]
            parts += [_tail(results / f"{hook}.log")]
    return "".join([*parts, _tail(results / CONSOLE)])


def _tail(path: Path) -> str:
    """Return the last lines of *path*, indented; nothing if there is no such file."""
    text = path.read_text(errors="replace") if path.exists() else ""
    lines = text.rstrip().splitlines()[-TAIL_LINES:]
    return "".join(f"    | {line}\n" for line in lines)


def page(results: Sequence[Result]) -> str:
    """Return docs/kernels.md."""
    head = ("kernel", "release", *HOOKS)
    rows = [head, ("---",) * len(head)]
    for result in results:
        release = f"`{result.kernel.release}`" if result.kernel else "-"
        cells = (str(result.cells.get(hook, NOT_ASKED_FOR)) for hook in HOOKS)
        rows.append((result.label, release, *cells))
    lines = ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]
    return PAGE_HEAD + "\n".join(lines) + "\n" + "".join(_skips(results))


def _skips(results: Sequence[Result]) -> Iterator[str]:
    """Yield the section on tests that were skipped where others ran, if there is."""
    lines = [
        f"- {result.label}, {hook}: {count} tests: {_cell(reason)}\n"
        for result in results
        for hook, cell in result.cells.items()
        for reason, count in cell.skipped
    ]
    if lines:
        yield "\n## Skipped tests\n\n"
        yield from lines


def _cell(text: str) -> str:
    """Return *text* for a cell of a Markdown table, and for any reader's mirror."""
    unaddressed = re.sub(r"\w+://[^/\s]+", "the mirror's ", text)
    return " ".join(unaddressed.split()).replace("|", "\\|")
