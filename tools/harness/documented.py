"""What README.md tells one to type for a container."""

from __future__ import annotations

import re
import shlex

from tools import CHECKOUT


def command() -> list[str]:
    """Return the words after `docker run`: flags, and the image."""
    readme = (CHECKOUT / "README.md").read_text()
    (found,) = re.findall(r"^docker run ((?:.*\\\n)*.*)$", readme, re.MULTILINE)
    return shlex.split(found.replace("\\\n", ""))


def image() -> str:
    """Return the image that it runs."""
    return command()[-1]


def run_flags() -> tuple[str, ...]:
    """Return its flags, less those that name the container and detach from it."""
    flags = command()[:-1]
    return tuple(flag for flag in flags if not flag.startswith(("--detach", "--name")))


def capabilities() -> set[str]:
    """Return what README's flags add, by the names of the kernel."""
    return {
        f"CAP_{flag.removeprefix('--cap-add=')}"
        for flag in run_flags()
        if flag.startswith("--cap-add=")
    }
