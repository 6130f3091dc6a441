"""
Test the loader with the bcc of several Debian releases: `python -m tools.bcc`.

Needs root, mmdebstrap, and the project installed in the environment that runs the
command. The command makes a chroot in `.cache/bcc` for each suite. Each chroot has the
suite's Python and bcc, and runs on this machine's kernel. The check in the chroot loads
the programs with "auto" and with every attach method:

- A method that attaches must count every call.
- A method that the kernel refuses must be refused in all suites, with the same errno.

The exit status is 1 if a suite failed, or if fewer than two suites could run (with a
single --suite: if that suite could not run).
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools import CHECKOUT
from tools.bcc.report import Report, Result, compare, exit_status, table
from tools.debian import chroot
from tools.debian.chroot import Chroot
from tools.vm import command
from tools.vm.apt import Mirror, machine_mirror
from tools.vm.errors import HarnessError


SUITES = ("bookworm", "trixie", "sid")
PACKAGES = ("python3", "python3-bpfcc")
CHECK = ("python3", "-I", "-m", "tools.bcc.check")
CHECK_SECONDS = 300.0


def parse_arguments() -> argparse.Namespace:
    """Return the parsed command line."""
    parser = command.parser("tools.bcc", __doc__)
    add = parser.add_argument
    suites = f"Debian suite, may be repeated (default: {', '.join(SUITES)})"
    add("--suite", action="append", metavar="NAME", help=suites)
    add("--fresh", action="store_true", help="make new chroots")
    return parser.parse_args()


def run(arguments: argparse.Namespace) -> int:
    """Run the check in a chroot of each suite, print the table; return the status."""
    if not shutil.which("mmdebstrap"):
        raise HarnessError(
            "mmdebstrap not found: install the packages of tools/packages/bcc.txt"
        )
    mirror = machine_mirror(arguments.mirror)
    cache = arguments.cache
    made = make_all(arguments.suite or SUITES, cache, mirror, arguments.fresh)
    results = compare([check(suite, outcome) for suite, outcome in made])
    if mounted := chroot.mounts_below(cache):
        raise HarnessError(f"still mounted: {', '.join(mounted)}; unmount them")
    print(table(results), end="")
    return exit_status(results)


def make_all(
    suites: Sequence[str],
    cache: Path,
    mirror: Mirror,
    fresh: bool,  # noqa: FBT001  passed on from the command line
) -> list[tuple[str, Chroot | HarnessError]]:
    """Make the chroots concurrently; return each suite with its chroot or its error."""

    def make(suite: str) -> Chroot | HarnessError:
        started = time.monotonic()
        try:
            outcome: Chroot | HarnessError = chroot.make(
                suite, PACKAGES, cache, mirror, fresh=fresh
            )
        except HarnessError as error:
            outcome = error
        seconds = time.monotonic() - started
        sys.stderr.write(f"{suite}: chroot after {seconds:.1f} s\n")
        return outcome

    with ThreadPoolExecutor() as threads:
        return list(zip(suites, threads.map(make, suites), strict=True))


def check(suite: str, made: Chroot | HarnessError) -> Result:
    """Run the check in the chroot of *suite*, or report the error of making it."""
    if isinstance(made, HarnessError):
        return Result(suite, problem=str(made), ran=False)
    try:
        done = made.run(CHECK, CHECKOUT, timeout=CHECK_SECONDS)
    except subprocess.TimeoutExpired:
        return Result(suite, problem=f"not done in {CHECK_SECONDS:g} s")
    if done.returncode:
        *_, last = done.stderr.strip().splitlines() or ["no output"]
        return Result(suite, problem=f"status {done.returncode}: {last}")
    return Result(suite, Report.from_json(done.stdout))


if __name__ == "__main__":
    sys.exit(command.main(run, parse_arguments()))
