"""Read small configuration files, and find out who else may access them."""

from __future__ import annotations

import os
import stat
from pathlib import Path


# Far more than a chain of certificates or a list of users needs.
MAX_FILE_BYTES = 1_048_576


def read_file(path: Path) -> bytes | str:
    """Return the content of a regular file, or as str the reason why it failed."""
    try:
        with open(path, "rb", opener=_open) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return "not a regular file"
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        return error.strerror or str(error)
    return content if len(content) <= MAX_FILE_BYTES else "larger than 1 MiB"


def exposure(path: Path, *, secret: bool) -> str:
    """
    Return what other users may do with the file at *path* and should not, or "".

    Args:
        secret: whether other users should not read the file either.
    """
    try:
        mode = path.stat().st_mode
    except OSError:  # the next look tells
        return ""
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "other users may write to the file: run chmod go-w"
    if secret and mode & stat.S_IROTH:
        return "every user may read the file, which has a key: run chmod o-r"
    return ""


def _open(path: str, flags: int) -> int:
    """Open without blocking, also a FIFO that has no writer."""
    return os.open(path, flags | os.O_NONBLOCK)
