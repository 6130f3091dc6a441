"""
The words of fanotify's and inotify's uapi, and pure functions from numbers to them.

Tables: include/uapi/linux/fanotify.h of Linux 6.18; a bit that a table does not
name stays visible as hex, so two numbers never share a text.
"""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=4096)
def comm_text(comm: bytes) -> str:
    r"""
    Make text of a thread name: any bytes in, printable and still distinct out.

    The name ends at its first NUL. What is not printable UTF-8 becomes ``\xNN``
    a byte, and a backslash becomes two, so different names never look alike.

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
