"""Names of the bits of a number."""

from __future__ import annotations

import pytest

from fanotify_exporter.uapi.bits import bit_names


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0x1, "ONE"),
        (0x5, "ONE|FOUR"),
        (0x8, "0x8"),
        (0xB, "ONE|0xa"),
        (0x30, "BOTH"),
        (0x10, "0x10"),
    ],
)
def test_bit_names(value: int, text: str) -> None:
    """Names come in bit order, then the bits without a name as one number in hex."""
    assert text == bit_names(value, {0x4: "FOUR", 0x1: "ONE", 0x30: "BOTH"})
