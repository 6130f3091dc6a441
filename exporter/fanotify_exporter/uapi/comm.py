"""Thread names as printable text."""

from __future__ import annotations

from functools import lru_cache

from fanotify_exporter.uapi.printable import printable_text


@lru_cache(maxsize=4096)
def comm_text(comm: bytes) -> str:
    r"""
    Return the thread name *comm* as printable text; different names stay different.

    The name ends at its first NUL.

    >>> comm_text(b"a\xff\\\x00\x00")
    'a\\xff\\\\'
    """
    return printable_text(comm.split(b"\0", 1)[0])
