"""
Measure what a probe adds to a system call: `python -m tools.bench.hooks`.

Compares the exporter's programs with empty programs, with bcc's usual pair of programs
and with bpftrace. The variants are described in tools.bench.hooks_variants.

Each variant runs the same C loop (hooks_caller.c) in a process of its own, because bcc
detaches probes only when the process ends. A variant that counts must have counted
every call. Needs root.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterable

from tools.bench.hooks_caller import build_caller
from tools.bench.hooks_variants import BUILT, HOOKS, measure, variants
from tools.bench.rounds import ROUNDS, Runs, run_rounds, table


CALLS = ("failing", "succeeding", "getppid")

# (variant, peer, maximum ratio of the added costs: the project's target).
TARGETS = (
    ("ours-fexit", "bpftrace-fentry", 0.75),
    ("ours-fexit_wrappers", "bpftrace-fentry", None),
    ("ours-kretprobe", "pair-kprobe", 0.5),
    ("ours-kretprobe", "bpftrace-kprobe", 0.5),
    ("ours-kretprobe", "bpftrace-kprobe-tuple", None),
    ("ours-sys_exit", "bpftrace-tracepoint", 0.35),
    ("ours-sys_exit", "bpftrace-tracepoint-tuple", None),
    ("ours-sys_exit", "ours-sys_enter_exit", None),
    ("ours-sys_enter_exit", "bpftrace-tracepoint", None),
    ("ours-raw_sys_exit", "bpftrace-raw_tracepoint", None),
)


def added(runs: Runs, variant: str, call: str) -> float:
    """Return the nanoseconds that *variant* adds to a call."""
    return runs.median(variant, call) - runs.median("bare", call)


def cost_table(runs: Runs, order: Iterable[str]) -> str:
    """Return a table: ns per call without a probe, and the ns that variants add."""
    rows: list[tuple[str, ...]] = []
    for variant in order:
        if variant in runs.refused:
            rows.append((variant, runs.refused[variant], "", ""))
        elif variant == "bare":
            cells = [f"{runs.median(variant, call):.0f}" for call in CALLS]
            rows.append((variant, *cells))
        else:
            cells = [f"{added(runs, variant, call):+.0f}" for call in CALLS]
            rows.append((variant, *cells))
    return table(("variant", "failing call", "succeeding call", "getppid"), rows)


def ratio_table(runs: Runs) -> str:
    """
    Return a table of the ratios of the added costs, with their targets.

    The ratio of the failing call must meet the target. A failing call executes the same
    few instructions each time; a succeeding call varies by more than a cheap probe
    adds.
    """
    rows = []
    for variant, peer, target in TARGETS:
        limit = "" if target is None else f"{target}"
        if variant in runs.figures and peer in runs.figures:
            ratios = [
                added(runs, variant, call) / added(runs, peer, call)
                for call in ("failing", "succeeding")
            ]
            met = "" if target is None else "yes" if ratios[0] <= target else "no"
            rows.append((variant, peer, *(f"{r:.2f}" for r in ratios), limit, met))
        elif {variant, peer} & {*runs.refused} and limit:
            rows.append((variant, peer, "", "", limit, "not measured"))
    return table(("variant", "peer", "failing", "succeeding", "at most", "met"), rows)


def noise(runs: Runs) -> str:
    """Return a text with the variation of getppid without a probe."""
    bare = [run["getppid"] for run in runs.figures["bare"]]
    return f"getppid without a probe varied by {max(bare) - min(bare):.0f} ns"


def report(hooks: Iterable[str] = HOOKS, rounds: int = ROUNDS) -> None:
    """Run all variants of *hooks* and print the tables."""
    order = list(variants(hooks))
    with tempfile.TemporaryDirectory() as folder:
        (os.environ[BUILT],) = build_caller(folder)
        runs = run_rounds("tools.bench.hooks", order, rounds)
    print(
        f"\nWhat a probe adds to a call on Linux {os.uname().release}, ns of CPU time,"
        f"\nmedians of {rounds} interleaved rounds; {noise(runs)}\n"
    )
    print(cost_table(runs, order))
    print("\nRatios of the added cost\n")
    print(ratio_table(runs))


def main() -> None:
    """Parse the command line; run one variant, or all variants in rounds."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench.hooks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    one = "run only this variant, and print its figures as JSON"
    add("variant", nargs="?", choices=variants(), metavar="VARIANT", help=one)
    add("--hooks", nargs="+", choices=HOOKS, default=HOOKS, help="default: all")
    add("--rounds", type=int, default=ROUNDS, metavar="N", help="default: %(default)s")
    options = parser.parse_args()
    if options.variant:
        print(json.dumps(measure(options.variant)), flush=True)
        os._exit(0)
    report(options.hooks, options.rounds)


if __name__ == "__main__":
    main()
