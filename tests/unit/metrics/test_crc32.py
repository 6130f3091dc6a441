"""Checksums of joined texts."""

from __future__ import annotations

import random
import zlib

import pytest

from fanotify_exporter.metrics import crc32


@pytest.mark.parametrize("length", [0, 1, 2, 255, 65_536, 1_000_003])
def test_joined_texts(length: int) -> None:
    """The checksum of two joined texts follows from the checksums of both."""
    chance = random.Random(length)
    first, second = chance.randbytes(1000), chance.randbytes(length)
    product = crc32.multiply(crc32.factor(length), zlib.crc32(first))
    assert zlib.crc32(first + second) == product ^ zlib.crc32(second)
