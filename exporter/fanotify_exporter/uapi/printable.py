"""Names of any bytes as printable text."""

from __future__ import annotations


def printable_text(name: bytes) -> str:
    r"""
    Return *name* as printable text; different names stay different.

    Each byte that is not part of a printable UTF-8 character becomes ``\xNN``, and a
    backslash becomes two backslashes.

    >>> printable_text(b"a\xff\\")
    'a\\xff\\\\'
    """
    text = name.decode("utf-8", "surrogateescape")
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(_printable(char) for char in text)


def _printable(char: str) -> str:
    if char == "\\":
        return "\\\\"
    if char.isprintable():
        return char
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))
