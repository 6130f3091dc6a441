"""Everything that is read from /proc."""

from __future__ import annotations

from pathlib import Path


def read_mounted(filesystem: str, proc: Path = Path("/proc")) -> list[str]:
    """Return where *filesystem* ("tracefs") is mounted, as this process sees it."""
    return parse_mounted(filesystem, (proc / "self/mounts").read_text())


def parse_mounted(filesystem: str, mounts: str) -> list[str]:
    """Return the mount points of *filesystem* in the text of a mounts file."""
    lines = (line.split() for line in mounts.splitlines())
    return [fields[1] for fields in lines if fields[2:3] == [filesystem]]
