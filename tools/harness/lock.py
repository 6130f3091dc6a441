"""The packages that requirements.lock pins."""

from __future__ import annotations

import re

from tools import CHECKOUT


LOCK = CHECKOUT / "requirements.lock"


def locked() -> dict[str, str]:
    """Return the version of each package by its name."""
    return dict(re.findall(r"^([\w-]+)==(\S+)", LOCK.read_text(), re.MULTILINE))
