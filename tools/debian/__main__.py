"""
Run make targets on another Debian release: `python -m tools.debian TARGET...`.

Needs root and mmdebstrap. The command makes a chroot in `.cache/debian` with the
packages of `make test`, clones the last commit into a copy of the chroot, and runs make
there. The chroot runs on this machine's kernel. The exit status is that of make.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from tools import CHECKOUT
from tools.debian import chroot
from tools.vm import command
from tools.vm.apt import machine_mirror


LISTS = ("run", "test")
# Packages that `make` and its targets need and a Debian installation has.
BASE = ("make", "git", "ca-certificates")
OVERLAY = Path(__file__).with_name("overlay.sh")
# Variables for pip on machines with a proxy or a certificate authority of their own.
PASSED_ON = (
    *("PIP_CERT", "PIP_DEFAULT_TIMEOUT", "PIP_INDEX_URL", "PIP_PROXY"),
    *("SSL_CERT_FILE", "http_proxy", "https_proxy", "no_proxy"),
)


def parse_arguments() -> argparse.Namespace:
    """Return the parsed command line."""
    parser = command.parser("tools.debian", __doc__)
    add = parser.add_argument
    add("--suite", default="trixie", metavar="NAME", help="Debian suite")
    add("--fresh", action="store_true", help="make a new chroot")
    add("targets", nargs="+", metavar="TARGET", help="target of the Makefile")
    return parser.parse_args()


def run(arguments: argparse.Namespace) -> int:
    """Run the targets in a copy of the chroot; return the exit status of make."""
    made = chroot.make(
        arguments.suite,
        (*BASE, *packages()),
        arguments.cache,
        machine_mirror(arguments.mirror),
        fresh=arguments.fresh,
    )
    passed_on = {k: v for k, v in os.environ.items() if k in PASSED_ON}
    return subprocess.run(
        [
            *("setpriv", "--pdeathsig", "KILL"),
            *("unshare", "--mount", "--propagation", "private"),
            *("sh", str(OVERLAY), str(made.root), str(CHECKOUT)),
            *("make", *arguments.targets),
        ],
        env=chroot.ENVIRONMENT | passed_on,
        check=False,
    ).returncode


def packages() -> list[str]:
    """Return the names and patterns of the package lists LISTS."""
    folder = CHECKOUT / "tools/packages"
    lines = [
        line
        for name in LISTS
        for line in (folder / f"{name}.txt").read_text().split("\n")
    ]
    return [line for line in lines if line and not line.startswith("#")]


if __name__ == "__main__":
    sys.exit(command.main(run, parse_arguments()))
