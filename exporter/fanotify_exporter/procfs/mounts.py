"""Mount points of filesystems."""

from __future__ import annotations

from pathlib import Path

from fanotify_exporter.procfs import PROC


def read_mounted(filesystem: str, proc: Path = PROC) -> list[str]:
    """Return where *filesystem* ("tracefs") is mounted, by /proc/self/mounts."""
    return parse_mounted(filesystem, (proc / "self/mounts").read_text())


def parse_mounted(filesystem: str, mounts: str) -> list[str]:
    """Return the mount points of *filesystem* in the text of a mounts file."""
    lines = (line.split() for line in mounts.splitlines())
    return [fields[1] for fields in lines if fields[2:3] == [filesystem]]


def is_procfs(path: Path) -> bool:
    """
    Return whether a procfs is mounted at *path*.

    Every procfs has the link "self" (fs/proc/self.c), also that of another pid
    namespace, in which the link leads nowhere.
    """
    return (path / "self").is_symlink()
