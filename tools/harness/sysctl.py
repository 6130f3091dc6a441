"""Kernel settings that a test changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def limited(name: str, value: int) -> Iterator[None]:
    """Set *name* in /proc/sys/fs/ to *value* during the block."""
    path = Path("/proc/sys/fs") / name
    before = path.read_text()
    path.write_text(str(value))
    try:
        yield
    finally:
        path.write_text(before)
