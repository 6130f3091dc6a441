"""Read the git commit of the exporter, which hatch_build.py wrote into the package."""

from __future__ import annotations

from pathlib import Path


FILE = Path(__file__).parents[1] / "revision.txt"


def read_revision(file: Path = FILE) -> str:
    """Return the commit of the build, or "unknown" in a checkout."""
    return file.read_text().strip() if file.is_file() else "unknown"
