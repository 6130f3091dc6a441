"""
Measure what `trace` takes and what it loses: `python -m tools.bench.trace`.

- The time that a traced call takes more, beside that by bpftrace, which prints the same
  arguments; variants as in tools.bench.hooks.
- Calls at steady rates for some seconds: how many were shown, and how many were lost.
  Shown and lost calls must be all calls.

Both print to /dev/null. The hook is the one that `trace` takes by itself. Needs root.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fanotify_exporter.loader.tracefs import require_tracefs
from tools.bench.hooks_caller import RefusedError, build_caller, run_caller
from tools.bench.rounds import ROUNDS, Runs, run_rounds, table


EXPORTER = Path(sys.executable).with_name("fanotify-exporter")
PACED = Path(__file__).with_name("trace_caller.c")
RATES = (5_000, 10_000, 20_000, 40_000, 80_000, 200_000)
SECONDS = 5
CALLS = ("failing", "succeeding")

# The arguments, the result and the caller of each call, as `trace` shows them.
BPFTRACE = """
tracepoint:syscalls:sys_enter_fanotify_mark { @in[tid] = args->flags;
  @mask[tid] = args->mask; @fd[tid] = args->fanotify_fd; @dfd[tid] = args->dfd;
  @path[tid] = args->pathname; }
tracepoint:syscalls:sys_exit_fanotify_mark /@mask[tid]/ {
  printf("%s[%d/%d] %d fanotify_mark(%d, %x, %x, %d, %s) = %d\\n", comm, pid, tid, uid,
    @fd[tid], @in[tid], @mask[tid], @dfd[tid], str(@path[tid]), args->ret);
  delete(@in[tid]); delete(@mask[tid]); delete(@fd[tid]); delete(@dfd[tid]);
  delete(@path[tid]); }
"""


@contextmanager
def tracing(*flags: str) -> Iterator[subprocess.Popen[str]]:
    """Run `trace` for the callers of this benchmark; end it with the block."""
    command = [str(EXPORTER), "trace", "--syscall=fanotify_mark", *flags]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        while "tracing by" not in process.stderr.readline():
            if process.poll() is not None:
                raise RefusedError("trace ended")
        yield process
        if process.poll() is None:
            process.send_signal(signal.SIGINT)


def bare(caller: list[str]) -> dict[str, float]:
    """Time the calls without a probe."""
    return run_caller(caller)


def traced(caller: list[str], *flags: str) -> dict[str, float]:
    """Time the calls while `trace` shows them, or others with *flags*."""
    with tracing(*flags):
        return run_caller(caller)


def bpftrace(caller: list[str]) -> dict[str, float]:
    """Time the calls while bpftrace prints them."""
    require_tracefs()
    done = subprocess.run(
        ["bpftrace", "-B", "full", "-o", os.devnull, "-e", BPFTRACE, "-c", *caller],
        check=False,
        capture_output=True,
        text=True,
    )
    found = re.search(r"^{.*}$", done.stdout, re.MULTILINE)
    if not found:
        raise RefusedError("not offered: bpftrace printed no figures")
    return dict(json.loads(found[0]))


VARIANTS: dict[str, Callable[[list[str]], dict[str, float]]] = {
    "bare": bare,
    "trace": traced,
    "trace, other comm": lambda caller: traced(caller, "--comm=other"),
    "bpftrace": bpftrace,
}


def measure(variant: str) -> dict[str, object]:
    """Return the figures of *variant*, or the reason why it cannot run here."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            return dict(VARIANTS[variant](build_caller(folder)))
        except RefusedError as error:
            return {"refused": str(error)}


def cost_table(runs: Runs) -> str:
    """Return a table: ns of CPU time of a call, and what the variants add."""
    rows: list[tuple[str, ...]] = []
    for variant in VARIANTS:
        if why := runs.refused.get(variant):
            rows.append((variant, why, ""))
            continue
        figures = [runs.median(variant, call) for call in CALLS]
        bare_figures = [runs.median("bare", call) for call in CALLS]
        if variant == "bare":
            cells = [f"{each:.0f}" for each in figures]
        else:
            pairs = zip(figures, bare_figures, strict=True)
            cells = [f"{one - other:+.0f}" for one, other in pairs]
        rows.append((variant, *cells))
    return table(("variant", *(f"{call} call" for call in CALLS)), rows)


def rate_table() -> str:
    """Return a table: rates, and what became of the calls."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        (caller,) = build_caller(folder, PACED)
        for rate in RATES:
            with tracing("--json", "--comm=trace_caller") as process:
                command = [caller, str(rate), str(SECONDS)]
                made = int(subprocess.check_output(command, text=True))
                process.send_signal(signal.SIGINT)
                assert process.stderr
                last = process.stderr.read().splitlines()[-1]
            shown = int(re.findall(r"(\d+) calls shown", last)[0])
            lost = sum(int(number) for number in re.findall(r"(\d+) \(", last))
            assert shown + lost == made, f"{shown} + {lost} of {made} calls"
            cells = (rate, made, shown, lost)
            rows.append(tuple(f"{each:,}" for each in cells))
    return table(("calls/s", "made", "shown", "lost"), rows)


def report() -> None:
    """Run all variants in rounds, then all rates, and print the tables."""
    runs = run_rounds("tools.bench.trace", list(VARIANTS), ROUNDS)
    print(
        "\nWhat a traced call takes, ns of CPU time of the caller, medians of "
        f"{ROUNDS} interleaved rounds\n\n{cost_table(runs)}"
    )
    print(f"\nCalls at steady rates for {SECONDS} s, as JSON\n\n{rate_table()}")


def main() -> None:
    """Parse the command line; run one variant, or all."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench.trace",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    one = "run only this variant, and print its figures as JSON"
    parser.add_argument("variant", nargs="?", choices=VARIANTS, help=one)
    variant = parser.parse_args().variant
    if variant:
        print(json.dumps(measure(variant)), flush=True)
    else:
        report()


if __name__ == "__main__":
    main()
