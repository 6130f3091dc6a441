"""Thread names as printable text."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=4096)
def comm_text(comm: bytes) -> str:
    r"""
    Return the thread name *comm* as printable text; different names stay different.

    The name ends at its first NUL. Each byte that is not part of a printable UTF-8
    character becomes ``\xNN``, and a backslash becomes two backslashes.

    >>> comm_text(b"a\xff\\\x00\x00")
    'a\\xff\\\\'
    """
    text = comm.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
    return "".join(_printable(char) for char in text)


def _printable(char: str) -> str:
    if char == "\\":
        return "\\\\"
    if char.isprintable():
        return char
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))
