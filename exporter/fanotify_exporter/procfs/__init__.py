"""Values read from files below /proc: parsers and the functions that open files."""

from __future__ import annotations

from pathlib import Path


PROC = Path("/proc")
