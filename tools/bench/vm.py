"""
Run the benchmark of permission waits in QEMU guests: `python -m tools.bench.vm`.

The clock of a guest counts instructions: a nanosecond is one instruction. So the
figures are the same in each run, also on a busy machine; only ratios mean something.

Needs root, the packages of `tools/packages/vm.txt` and `bench.txt`, and the project
installed in `.venv`. The exit status is 1 if the benchmark failed or a kernel could not
be fetched.
"""

from __future__ import annotations

import argparse
import sys

from tools import CHECKOUT
from tools.vm import command, jobs
from tools.vm.jobs import Job
from tools.vm.kernels import Suite
from tools.vm.matrix import NEWEST


SUITES = (Suite("bookworm", "6.1"), NEWEST)
# Two rounds show whether the figures are the same.
ROUNDS = 2
# Time limit of a guest; two rounds take about 220 s.
SECONDS = 900.0


def parse_arguments() -> argparse.Namespace:
    """Return the parsed command line."""
    parser = jobs.parser("tools.bench.vm", __doc__)
    rounds = "number of rounds (default: %(default)s)"
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help=rounds)
    return parser.parse_args()


def run(arguments: argparse.Namespace) -> int:
    """Run the benchmark on each kernel, print the tables, return the status."""
    python = str(CHECKOUT / ".venv/bin/python")
    benchmark = ("-m", "tools.bench.permission", "--rounds", str(arguments.rounds))
    script = jobs.shell(python, *benchmark)
    job = Job("bench", script, SECONDS, counts_instructions=True)
    return jobs.run(job, jobs.select(arguments.kernel, SUITES), arguments)


if __name__ == "__main__":
    sys.exit(command.main(run, parse_arguments()))
