"""
Measure what programs at permission waits cost: `python -m tools.bench.permission`.

Times an open(2) that waits for a listener which answers at once, and an open(2) on a
host without permission marks. Compares the exporter's programs with empty programs at
the same functions, and shows what the programs that count events add. The variants are
described in tools.bench.permission_variants.

Each variant runs the same C program (permission_caller.c) in a process of its own,
because bcc detaches probes only when the process ends. Needs root. The listener marks
a scratch file only, and a watchdog ends the listener.
"""

from __future__ import annotations

import argparse
import json
import os

from fanotify_exporter.loader.permission_methods import PERMISSION_METHODS
from tools.bench.permission_variants import built_caller, measure, variants
from tools.bench.rounds import ROUNDS, Runs, run_rounds, table


# The project's target for the ratio of the round trips.
TARGET = 1.5
HEAD = ("variant", "round trip", "added", "of bare", "open without marks")


def row(runs: Runs, variant: str) -> tuple[str, ...]:
    """Return the row of *variant*: its medians in ns, compared with no program."""
    if variant in runs.refused:
        return (variant, runs.refused[variant], "", "", "")
    took, bare = (runs.median(name, "round_trip") for name in (variant, "bare"))
    return (
        variant,
        f"{took:,.0f}",
        f"{took - bare:+,.0f}",
        f"{took / bare:.3f}",
        f"{runs.median(variant, 'unmarked'):,.0f}",
    )


def ratios(runs: Runs) -> list[tuple[str, ...]]:
    """Return a row for each variant of ours: its figures, divided by the empty ones."""
    rows = list[tuple[str, ...]]()
    for method in PERMISSION_METHODS:
        own, empty = f"ours-{method.name}", f"empty-{method.hook}"
        if own in runs.figures and empty in runs.figures:
            mine, peer, bare = (
                runs.median(name, "round_trip") for name in (own, empty, "bare")
            )
            added = f"{(mine - bare) / (peer - bare):.2f}"
            rows.append((own, empty, f"{mine / peer:.2f}", added))
    return rows


def spread(runs: Runs, figure: str) -> float:
    """Return the variation of *figure* without a program, as a share of the median."""
    values = [run[figure] for run in runs.figures["bare"]]
    return (max(values) - min(values)) / runs.median("bare", figure)


def report(rounds: int = ROUNDS) -> None:
    """Run all variants and print the table."""
    order = list(variants())
    with built_caller():
        runs = run_rounds("tools.bench.permission", order, rounds)
    print(
        f"\nAn open and close that waits for a listener on Linux {os.uname().release},"
        f" ns,\nmedians of {rounds} interleaved rounds. Without a program the round"
        f" trip varied by\n{spread(runs, 'round_trip'):.1%}, an open without marks by"
        f" {spread(runs, 'unmarked'):.1%}\n"
    )
    print(table(HEAD, [row(runs, variant) for variant in order]))
    print(f"\nOurs against the empty programs; goal: round trip at most {TARGET}\n")
    print(table(("variant", "peer", "round trip", "added cost"), ratios(runs)))


def main() -> None:
    """Parse the command line; run one variant, or all variants in rounds."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench.permission",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    one = "run only this variant, and print its figures as JSON"
    add("variant", nargs="?", choices=variants(), metavar="VARIANT", help=one)
    add("--rounds", type=int, default=ROUNDS, metavar="N", help="default: %(default)s")
    options = parser.parse_args()
    if options.variant:
        print(json.dumps(measure(options.variant)), flush=True)
        os._exit(0)
    report(options.rounds)


if __name__ == "__main__":
    main()
