"""
Compare products' own statistics with ours in guests: `python -m tools.vm.products`.

Debian's fapolicyd and clamonacc are unpacked into a folder and run in guests only. A
product with a fault lets each open(2) of a guest wait, and not of this machine.

Needs root, the packages of `tools/packages/vm.txt`, and the project installed in
`.venv`. The exit status is 1 if a test failed or a kernel could not be fetched.
"""

from __future__ import annotations

import argparse
import sys

from tools.harness.products.chroot import ROOT
from tools.vm import command, jobs
from tools.vm.apt import machine_mirror
from tools.vm.jobs import Job
from tools.vm.kernels import Suite
from tools.vm.matrix import NEWEST
from tools.vm.root_folder import unpacked
from tools.vm.shares import Share


SUITES = (Suite("bullseye", "5.10"), Suite("bookworm", "6.1"), NEWEST)
# The Debian release of the products.
PRODUCTS = "trixie"
PACKAGES = (
    # The files and programs that the products need when no maintainer script runs.
    "base-files",
    "base-passwd",
    "coreutils",
    "dash",
    "libc-bin",
    # clamonacc and clamd.
    "clamav-daemon",
    "fapolicyd",
)
# Time limit of a guest; the tests take about 110 s.
SECONDS = 600.0


def parse_arguments() -> argparse.Namespace:
    """Return the parsed command line."""
    parser = jobs.parser("tools.vm.products", __doc__)
    tests = "run these tests only, as pytest"
    parser.add_argument("-k", dest="only", metavar="EXPRESSION", help=tests)
    return parser.parse_args()


def run(arguments: argparse.Namespace) -> int:
    """Unpack the products, run the tests on each kernel, return the status."""
    suites = jobs.select(arguments.kernel, SUITES)
    folder = arguments.cache / "products-root"
    root = unpacked(folder, PRODUCTS, PACKAGES, machine_mirror(arguments.mirror))
    tests = jobs.pytest_command("tests/products", arguments.only)
    share = Share("products", root, str(ROOT))
    job = Job("products", jobs.shell(*tests), SECONDS, (share,))
    return jobs.run(job, suites, arguments)


if __name__ == "__main__":
    sys.exit(command.main(run, parse_arguments()))
