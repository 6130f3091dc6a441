"""Limits of fanotify, from /proc/sys/fs/fanotify."""

from __future__ import annotations

from pathlib import Path

from fanotify_exporter.procfs import PROC


def read_fanotify_limit(name: str, proc: Path = PROC) -> int | None:
    """
    Return the number in sys/fs/fanotify/*name*; None if the kernel has no such file.

    Raises:
        ValueError: the file does not hold a number.
    """
    path = proc / "sys/fs/fanotify" / name
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        return None
    if not text.isdecimal():
        raise ValueError(f"{path} holds {text!r}, which is not a number")
    return int(text)
