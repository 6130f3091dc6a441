"""Write the table of results, for the terminal and for docs/kernels.md."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.vm.guest import CONSOLE
from tools.vm.matrix import HOOKS, LOG, Result
from tools.vm.verdicts import NOT_ASKED_FOR, Kind


# Lines of each log that a failed row prints.
TAIL_LINES = 40

PAGE_HEAD = """\
# Kernels

Written by `make test-vm`; do not edit.

Each row is a QEMU guest with a cloud kernel of Debian. Each cell is a run of
`tests/kernel` with `--bpf.hook` set to that hook, with every attach method of the hook
in `exporter/fanotify_exporter/loader/attach_methods.py`. Tests whose subject does not
depend on the hook, such as the maps, run for *auto* only.

*Exact* means that every call of the tests was counted once and with the right labels,
or is part of the number of calls that, according to the kernel, no program saw. Such
calls exist on kernels that preempt kernel code, when tasks compete for a CPU.

*permission* are the tests of permission waits, with each method in
`exporter/fanotify_exporter/loader/permission_methods.py`: waits, answers and waiting
tasks equal what the listeners and the waiting tasks of the tests counted themselves.

*iterator* are the tests of the passes over open files and over tasks in calls: groups,
instances, queues and counts of users equal what the programs of the tests made, and
what /proc shows.

*Compat* tests make 32-bit calls on a 64-bit kernel. For the tracepoint hook the tests
assert that none of these calls is counted.

"""


def table(results: Sequence[Result]) -> str:
    """Return a table with a line for each kernel and hook."""
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
    Return the failed tests of the row *result*, and the ends of its logs.

    The logs are the output of pytest and the console of the guest in *results*.
    """
    parts = [f"\n{result.label}: failed, all output is in {results}\n"]
    for hook, cell in result.cells.items():
        if cell.kind is Kind.FAILED:
            parts += [f"  {hook}: {cell}\n"]
            parts += [f"    {name}\n" for name in cell.failures]
    return "".join([*parts, _tail(results / LOG), _tail(results / CONSOLE)])


def _tail(path: Path) -> str:
    """Return the last lines of *path*, indented; "" if the file does not exist."""
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
    """Yield a section for each kind of cell without results, with each reason once."""
    cells = [(r.label, h, cell) for r in results for h, cell in r.cells.items()]
    for kind in (Kind.FAILED, Kind.NOT_OFFERED, Kind.NOT_RUN):
        places = [
            (cell.detail, f"{label} {hook}")
            for label, hook, cell in cells
            if cell.kind is kind and not cell.has_run
        ]
        yield from _section(kind.value.capitalize(), places)
    skipped = [
        (reason, f"{label} {hook} ({count})")
        for label, hook, cell in cells
        for reason, count in cell.skipped
    ]
    yield from _section("Skipped tests", skipped)


def _section(title: str, places: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield a section with a line for each reason in pairs of (reason, place)."""
    if places:
        yield f"\n## {title}\n\n"
    for reason in dict.fromkeys(reason for reason, _ in places):
        where = ", ".join(place for each, place in places if each == reason)
        yield f"- {where}: {_cell(reason)}\n"


def _cell(text: str) -> str:
    """Return *text* for a cell of a Markdown table, without the address of a mirror."""
    anonymous = re.sub(r"\w+://[^/\s]+", "the mirror's ", text)
    return " ".join(anonymous.split()).replace("|", "\\|")
