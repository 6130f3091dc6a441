"""The table of results, for the terminal and for docs/kernels.md."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.vm.guest import CONSOLE
from tools.vm.matrix import HOOKS, LOG, Result
from tools.vm.verdicts import NOT_ASKED_FOR, Kind


TAIL_LINES = 40

PAGE_HEAD = """\
# Kernels

Written by `make test-vm`; do not edit.

Each row is one QEMU guest with a cloud kernel of Debian, each cell `tests/kernel` with
that hook forced, on every way of using it that `exporter/hooks.py` has. What one hook
proves for all, about the maps and more programs, runs on *auto*. *Exact* means that
every call which the tests made was counted, none twice and none under another key, or
is in the number that the kernel says it let no program see: that happens where a kernel
preempts itself and tasks compete for a CPU. *Compat* tests make 32-bit calls on a
64-bit kernel; on the tracepoint hook they assert that none of those is counted.

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

    That is the names of the failed tests, and the ends of pytest's output and of
    the guest's console; *results* has the whole of them.
    """
    parts = [f"\n{result.label}: failed, all output is in {results}\n"]
    for hook, cell in result.cells.items():
        if cell.kind is Kind.FAILED:
            parts += [f"  {hook}: {cell}\n"]
            parts += [f"    {name}\n" for name in cell.failures]
    return "".join([*parts, _tail(results / LOG), _tail(results / CONSOLE)])


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
        cells = (result.cells.get(hook, NOT_ASKED_FOR).short for hook in HOOKS)
        rows.append((result.label, release, *cells))
    lines = ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]
    return PAGE_HEAD + "\n".join(lines) + "\n" + "".join(_reasons(results))


def _reasons(results: Sequence[Result]) -> Iterator[str]:
    """Yield the sections that say, each reason once, why cells or tests did not run."""
    cells = [(r.label, h, cell) for r in results for h, cell in r.cells.items()]
    for kind in (Kind.FAILED, Kind.NOT_OFFERED, Kind.NOT_RUN):
        wanting = [c for c in cells if c[2].kind is kind and not c[2].has_run]
        places = [(cell.detail, f"{label} {hook}") for label, hook, cell in wanting]
        yield from _section(kind.value.capitalize(), places)
    skipped = [
        (reason, f"{label} {hook} ({count})")
        for label, hook, cell in cells
        for reason, count in cell.skipped
    ]
    yield from _section("Skipped tests", skipped)


def _section(title: str, places: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield a list of reasons, each with its places, from pairs of both."""
    if places:
        yield f"\n## {title}\n\n"
    for reason in dict.fromkeys(reason for reason, _ in places):
        where = ", ".join(place for its, place in places if its == reason)
        yield f"- {where}: {_cell(reason)}\n"


def _cell(text: str) -> str:
    """Return *text* for a cell of a Markdown table, and for any reader's mirror."""
    unaddressed = re.sub(r"\w+://[^/\s]+", "the mirror's ", text)
    return " ".join(unaddressed.split()).replace("|", "\\|")
