"""The command in README.md that runs a container."""

from __future__ import annotations

import re
import shlex

from tools import CHECKOUT


def command() -> list[str]:
    """Return the arguments of `docker run`: flags, then the image."""
    readme = (CHECKOUT / "README.md").read_text()
    (found,) = re.findall(r"^docker run ((?:.*\\\n)*.*)$", readme, re.MULTILINE)
    return shlex.split(found.replace("\\\n", ""))


def image() -> str:
    """Return the name of the image."""
    return command()[-1]


def run_flags() -> tuple[str, ...]:
    """Return the flags without --name and --detach."""
    flags = command()[:-1]
    return tuple(flag for flag in flags if not flag.startswith(("--detach", "--name")))


def capabilities() -> set[str]:
    """Return the capabilities that the flags add, by their names in the kernel."""
    return {
        f"CAP_{flag.removeprefix('--cap-add=')}"
        for flag in run_flags()
        if flag.startswith("--cap-add=")
    }
