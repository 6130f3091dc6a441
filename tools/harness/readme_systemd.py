"""Run the steps of the section on systemd in README.md."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

from tools import CHECKOUT


# Names of the code blocks in the section, in their order.
STEPS = ("install", "start", "pins", "socket", "remove")


def steps(name: str) -> str:
    """Return the shell commands of the step *name*."""
    text = (CHECKOUT / "README.md").read_text()
    section = text.split("\n## systemd\n")[1].split("\n## ")[0]
    blocks: list[str] = re.findall(
        r"^```\n(.*?)^```$", section, re.MULTILINE | re.DOTALL
    )
    return dict(zip(STEPS, blocks, strict=True))[name]


def follow(name: str, prefix: Sequence[str] = ()) -> str:
    """Run the step *name* in the checkout, by *prefix* if given; return the output."""
    command = [*prefix, "sh", "-exc", steps(name)]
    return subprocess.run(
        command, cwd=CHECKOUT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
