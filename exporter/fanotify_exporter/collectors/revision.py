"""The commit that this program was made from."""

from __future__ import annotations

import subprocess
from pathlib import Path


def read_revision(package: Path = Path(__file__).parent) -> str:
    """Return the commit of the checkout that *package* is in, or "unknown"."""
    if not (package.parent / ".git").exists():
        return "unknown"
    try:
        git = subprocess.run(
            ["git", "-C", str(package.parent), "rev-parse", "HEAD"],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return git.stdout.strip()
