"""
Run the kernel tests on every kernel and hook: `python -m tools.vm`.

Needs root, the packages of `tools/packages/vm.txt`, and the project installed in
`.venv`. The exit status is 1 if a hook failed, or if the oldest or the newest kernel
did not run.
"""

import argparse
import sys
from collections.abc import Sequence

from tools import CHECKOUT
from tools.vm import command, matrix, report
from tools.vm.apt import machine_mirror
from tools.vm.errors import HarnessError, UsageError
from tools.vm.kernels import Kernel
from tools.vm.matrix import HOOKS, ROWS, Result, Row
from tools.vm.schedule import Kernels, Schedule


def parse_arguments() -> argparse.Namespace:
    """Return the parsed command line."""
    parser = command.parser("tools.vm", __doc__)
    add = parser.add_argument
    kernel = "kernel series such as 6.1, or Debian suite; may be repeated"
    add("--kernel", action="append", metavar="SERIES", help=kernel)
    add("--plain", action="store_true", help="leave out rows with kernel parameters")
    add("--hook", action="append", choices=HOOKS, help="hook; may be repeated")
    add("--arch", choices=("amd64", "arm64", "all"), default="amd64")
    add("--jobs", type=int, default=2, metavar="N", help="number of concurrent guests")
    add("--write-docs", action="store_true", help="write docs/kernels.md")
    return parser.parse_args()


def run(arguments: argparse.Namespace) -> int:
    """Fetch the kernels, run the guests, print the table, return the exit status."""
    if not (CHECKOUT / ".venv/bin/python").exists():
        raise HarnessError(f"{CHECKOUT} has no .venv: run make test-vm")
    mirror = machine_mirror(arguments.mirror)
    hooks = [hook for hook in HOOKS if hook in (arguments.hook or HOOKS)]
    schedule = Schedule(CHECKOUT, arguments.cache, mirror, hooks, arguments.jobs)
    fetched = Kernels(arguments.cache, mirror)
    rows = [row for row in ROWS if not (arguments.plain and row.command_line)]
    selected = select(rows, fetched, arguments.arch, arguments.kernel or [])
    by_row = run_rows(schedule, fetched, selected)
    results = [by_row[row] for row in selected]
    show(results, schedule)
    if arguments.write_docs:
        write_docs(by_row)
    return matrix.exit_status(results)


def run_rows(
    schedule: Schedule, fetched: Kernels, selected: Sequence[Row]
) -> dict[Row, Result]:
    """Run the *selected* rows; return all results, also of rows without a kernel."""
    answers = {row: fetched.newest(row.suite) for row in selected}
    ready = [
        (row, answer) for row, answer in answers.items() if isinstance(answer, Kernel)
    ]
    by_row = {result.row: result for result in schedule.run(ready)}
    for row, answer in answers.items():
        by_row.setdefault(row, matrix.absent(row, schedule.hooks, str(answer)))
    return by_row


def select(
    rows: Sequence[Row], fetched: Kernels, architecture: str, words: Sequence[str]
) -> list[Row]:
    """
    Return the *rows* of *architecture* that *words* name, or all if there are no words.

    A word is a series or a suite. If a word is no known name, the kernels of suites
    without a fixed series are fetched to learn their series.
    """
    rows = [row for row in rows if architecture in (row.suite.architecture, "all")]
    if not words:
        return rows
    known = {word for row in rows for word in (row.suite.name, row.suite.series)}

    def names(row: Row) -> set[str | None]:
        moves = row.suite.series is None and not known.issuperset(words)
        kernel = fetched.newest(row.suite) if moves else None
        series = kernel.series if isinstance(kernel, Kernel) else row.suite.series
        return {row.suite.name, series}

    named = [(row, names(row)) for row in rows]
    for word in words:
        if not any(word in own for _, own in named):
            choices = ", ".join(sorted(filter(None, known)))
            raise UsageError(f"--kernel {word}: no such series or suite; try {choices}")
    return [row for row, own in named if own.intersection(words)]


def show(results: Sequence[Result], schedule: Schedule) -> None:
    """Print the details of each failed row, then the table."""
    for result in results:
        if result.has_failed:
            print(report.failures(result, schedule.results(result.row)))
    print(f"\n{report.table(results)}", end="")


def write_docs(by_row: dict[Row, Result]) -> None:
    """Write docs/kernels.md with all rows and hooks, also those that did not run."""
    results = [by_row.get(row, Result(row, kernel=None)) for row in ROWS]
    path = CHECKOUT / "docs/kernels.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text(report.page(results))
    print(f"wrote {path}")


if __name__ == "__main__":
    sys.exit(command.main(run, parse_arguments()))
