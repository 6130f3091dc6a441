"""Read small configuration files without blocking."""

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


def _open(path: str, flags: int) -> int:
    """Open without blocking, also a FIFO that has no writer."""
    return os.open(path, flags | os.O_NONBLOCK)
