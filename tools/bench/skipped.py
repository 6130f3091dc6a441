"""
Count the calls that the raw tracepoint misses beside load.

Since Linux 7.0 a kernel that preempts itself preempts programs on tracepoints. The
kernel skips a program on a CPU where another task was preempted in the same program.
The raw tracepoint runs the program on every system call, so any task hides calls.

The load are two dd(1) processes for each CPU, which copy single bytes. The caller
makes fanotify_mark(2) calls without a pause in two threads. The cost of the programs is
in tools.bench.hooks.
"""

from __future__ import annotations

import argparse
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from fanotify_exporter.bpf.call_maps import CallMaps
from fanotify_exporter.loader import run
from fanotify_exporter.loader.attach_methods import ATTACH_METHODS
from tools.harness.compiled import NATIVE, program
from tools.harness.kernel_caller import Caller, placed
from tools.harness.plans import ADD, OPEN


METHODS = [each.name for each in ATTACH_METHODS if each.hook == "raw_tracepoint"]
LOAD = ("dd", "if=/dev/zero", "of=/dev/null", "bs=1", "status=none")
# Time limit of the loader, for an emulated guest.
LOAD_SECONDS = 120.0


@contextmanager
def load(processes: int) -> Iterator[None]:
    """Run *processes* that make system calls all the time."""
    running = [subprocess.Popen(LOAD) for _ in range(processes)]
    try:
        yield
    finally:
        for each in running:
            each.kill()
            each.wait()


def measure(method: str, caller: Caller, calls: int) -> tuple[int, int]:
    """Return the calls that *method* missed, and the runs that the kernel skipped."""
    loaded = run.load(method, 64, 64, timeout=LOAD_SECONDS)
    maps = CallMaps(loaded)
    with load(2 * (os.cpu_count() or 1)):
        made = caller.run([(ADD, OPEN, calls // 2)], "skipped", threads=2)
    snapshot = maps.read()
    marks = snapshot.calls["fanotify_mark"]
    counted = sum(each.count for each in marks if each.comm.startswith("skipped"))
    skipped = sum(
        lost.count
        for lost in snapshot.lost
        if (lost.probe, lost.reason) == ("fanotify_mark", "recursion_any_syscall")
    )
    for fd in loaded.fds.values():
        os.close(fd)
    return made.total() - counted, skipped


def main() -> None:
    """Parse the command line; print a row for each round and attach method."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench.skipped",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--calls", type=int, default=100_000, metavar="N")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    options = parser.parse_args()
    print(f"{options.calls:,} calls a round on Linux {os.uname().release}\n")
    print("| programs | missing | of the calls | skipped runs |")
    print("|---|---|---|---|", flush=True)
    with placed(program(NATIVE)) as caller:
        for method in METHODS * options.rounds:
            missing, skipped = measure(method, caller, options.calls)
            share = f"{missing / options.calls:.2%}"
            print(f"| {method} | {missing:,} | {share} | {skipped:,} |", flush=True)


if __name__ == "__main__":
    main()
