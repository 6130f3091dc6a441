"""Names of the bits of a number."""

from __future__ import annotations

from collections.abc import Mapping


def bit_names(value: int, names: Mapping[int, str]) -> str:
    """
    Join the names of *value*'s bits with "|", lowest bit first.

    The bits that *names* does not have become one last term in hex, so two numbers
    never have the same text. Zero is "0".

    >>> bit_names(0x20 | 0x2000, {0x20: "FAN_OPEN"})
    'FAN_OPEN|0x2000'
    """
    found = [bit for bit in sorted(names) if value & bit == bit]
    terms = [names[bit] for bit in found]
    rest = value & ~sum(found)
    if rest or not terms:
        terms.append(f"{rest:#x}" if rest else "0")
    return "|".join(terms)
