"""Everything that is read from /proc."""

from __future__ import annotations

from pathlib import Path

from fanotify_exporter.procfs import PROC


def read_fanotify_limit(name: str, proc: Path = PROC) -> int | None:
    """
    Return a number of sys/fs/fanotify; None if this kernel has no such file.

    Raises:
        ValueError: the file holds something else.
    """
    path = proc / "sys/fs/fanotify" / name
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        return None
    if not text.isdecimal():
        raise ValueError(f"{path} holds {text!r}, which is no number")
    return int(text)
