"""
Prove the loader with the bcc of several Debian releases: `python -m tools.bcc`.

Needs root, mmdebstrap, and the project installed in the environment that runs this.
For each suite it makes a chroot in `.cache/bcc`, and in there, with that suite's
Python and bcc and with this machine's kernel, tries "auto" and every method of the
ladder: what attaches must count every call, and what the kernel refuses it must
refuse alike in all suites. Exits with 1 if a suite failed, or if fewer than two
could be made.
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
from tools.bcc import chroot
from tools.bcc.chroot import Chroot
from tools.bcc.report import Report, Result, compare, exit_status, table
from tools.vm import command
from tools.vm.apt import Mirror, machine_mirror
from tools.vm.errors import HarnessError


SUITES = ("bookworm", "trixie", "sid")
CHECK = ("python3", "-I", "-m", "tools.bcc.check")
CHECK_SECONDS = 300.0


def parse_arguments() -> argparse.Namespace:
    """Return the parsed command line."""
    parser = command.parser("tools.bcc", __doc__)
    add = parser.add_argument
    add("--suite", action="append", metavar="NAME", help=f"not {', '.join(SUITES)}")
    add("--fresh", action="store_true", help="make the chroots again")
    return parser.parse_args()


def run(arguments: argparse.Namespace) -> int:
    """Make the chroots, run the check in each, print the table; return the status."""
    if not shutil.which("mmdebstrap"):
        raise HarnessError("needs mmdebstrap: install it with apt-get")
    mirror = machine_mirror(arguments.mirror)
    cache = arguments.cache
    made = make_all(arguments.suite or SUITES, cache, mirror, arguments.fresh)
    results = compare([check(suite, answer) for suite, answer in made])
    if left := chroot.mounts_below(cache):
        raise HarnessError(f"left mounted: {', '.join(left)}")
    print(table(results), end="")
    return exit_status(results)


def make_all(
    suites: Sequence[str],
    cache: Path,
    mirror: Mirror,
    fresh: bool,  # noqa: FBT001  a command line's switch, handed on
) -> list[tuple[str, Chroot | HarnessError]]:
    """Return for each suite its chroot, or why there is none; all at a time."""

    def make(suite: str) -> Chroot | HarnessError:
        started = time.monotonic()
        try:
            answer: Chroot | HarnessError = chroot.make(
                suite, cache, mirror, fresh=fresh
            )
        except HarnessError as error:
            answer = error
        seconds = time.monotonic() - started
        sys.stderr.write(f"{suite}: chroot after {seconds:.1f} s\n")
        return answer

    with ThreadPoolExecutor() as threads:
        return list(zip(suites, threads.map(make, suites), strict=True))


def check(suite: str, answer: Chroot | HarnessError) -> Result:
    """Run the check in the chroot of *suite*, if there is one."""
    if isinstance(answer, HarnessError):
        return Result(suite, problem=str(answer), ran=False)
    try:
        done = answer.run(CHECK, CHECKOUT, timeout=CHECK_SECONDS)
    except subprocess.TimeoutExpired:
        return Result(suite, problem=f"not done in {CHECK_SECONDS:g} s")
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["nothing"]
        return Result(suite, problem=f"status {done.returncode}, said: {said[-1]}")
    return Result(suite, Report.from_json(done.stdout))


if __name__ == "__main__":
    sys.exit(command.main(run, parse_arguments()))
