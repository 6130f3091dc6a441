"""The steps of README's section on systemd, to run them as they stand there."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

from tools import CHECKOUT


STEPS = ("install", "start", "pins", "socket", "remove")


def steps(name: str) -> str:
    """Return the shell commands called *name* here."""
    text = (CHECKOUT / "README.md").read_text()
    section = text.split("\n## systemd\n")[1].split("\n## ")[0]
    blocks: list[str] = re.findall(
        r"^```\n(.*?)^```$", section, re.MULTILINE | re.DOTALL
    )
    return dict(zip(STEPS, blocks, strict=True))[name]


def follow(name: str, prefix: Sequence[str] = ()) -> str:
    """Run the steps called *name*, in the checkout; return what they print."""
    command = [*prefix, "sh", "-exc", steps(name)]
    return subprocess.run(
        command, cwd=CHECKOUT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
