"""
The words of fanotify's and inotify's uapi, and pure functions from numbers to them.

Tables: include/uapi/linux/fanotify.h of Linux 6.18; a bit that a table does not
name stays visible as hex, so two numbers never share a text.
"""

from __future__ import annotations

from collections.abc import Mapping


def bit_names(value: int, names: Mapping[int, str]) -> str:
    """
    Join the names of *value*'s bits with "|", lowest bit first.

    Bits without a name stay together as one last hex term; zero is "0".

    >>> bit_names(0x20 | 0x2000, MASK)
    'FAN_OPEN|0x2000'
    """
    terms = [names[bit] for bit in sorted(names) if value & bit == bit]
    rest = value & ~sum(bit for bit in names if value & bit)
    if rest or not terms:
        terms.append(f"{rest:#x}" if rest else "0")
    return "|".join(terms)
