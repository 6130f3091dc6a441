"""Limits of fanotify and inotify, from /proc/sys/fs."""

from __future__ import annotations

from pathlib import Path

from fanotify_exporter.procfs import PROC


def read_fs_limit(file: str, proc: Path = PROC) -> int | None:
    """
    Return the number in sys/fs/*file*; None if the kernel has no such file.

    Args:
        file: such as "fanotify/max_user_marks".

    Raises:
        ValueError: the file does not hold a number.
    """
    path = proc / "sys/fs" / file
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        return None
    if not text.isdecimal():
        raise ValueError(f"{path} holds {text!r}, which is not a number")
    return int(text)
