"""Find the git commit of the exporter, for build_info."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path


# The folder that holds exporter/fanotify_exporter/collectors/revision.py in a clone.
CHECKOUT = Path(__file__).parents[3]


@cache
def read_revision(checkout: Path = CHECKOUT) -> str:
    """Return the commit of *checkout*, or "unknown" if it is no git checkout."""
    if not (checkout / ".git").exists():
        return "unknown"
    try:
        git = subprocess.run(
            ["git", "-C", str(checkout), "rev-parse", "HEAD"],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return git.stdout.strip()
