"""Mount points of filesystems."""

from __future__ import annotations

import re
from pathlib import Path

from fanotify_exporter.procfs import PROC


def read_mounted(filesystem: str, proc: Path = PROC) -> list[str]:
    """Return where *filesystem* ("tracefs") is mounted, by /proc/self/mounts."""
    text = (proc / "self/mounts").read_text(errors="surrogateescape")
    return parse_mounted(filesystem, text)


def parse_mounted(filesystem: str, mounts: str) -> list[str]:
    r"""
    Return the mount points of *filesystem* in the text of a mounts file.

    The kernel writes a space as ``\040``, and a tab, a newline and a backslash alike:
    mangle() in fs/proc_namespace.c.
    """
    lines = (line.split(" ") for line in mounts.split("\n"))
    return [_unescape(fields[1]) for fields in lines if fields[2:3] == [filesystem]]


def _unescape(path: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), path)


def is_procfs(path: Path) -> bool:
    """
    Return whether a procfs is mounted at *path*.

    Every procfs has the link "self" (fs/proc/self.c), also that of another pid
    namespace, in which the link leads nowhere.
    """
    return (path / "self").is_symlink()
