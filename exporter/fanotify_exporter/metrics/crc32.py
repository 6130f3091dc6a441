"""
The CRC-32 of two joined texts, from the CRC-32 of each.

A checksum is a polynomial over GF(2) modulo POLYNOMIAL; a text that follows multiplies
the checksum by x to the power of 8 times its length (RFC 1952 section 8, and
crc32_combine() of zlib, which Python does not offer).
"""

from __future__ import annotations


# The polynomial of CRC-32, lowest power in the highest bit, without x**32.
POLYNOMIAL = 0xEDB8_8320
ONE = 0x8000_0000
# x**8, for one byte.
BYTE = ONE >> 8


def multiply(a: int, b: int) -> int:
    """Return the product of two polynomials modulo POLYNOMIAL."""
    product = 0
    for power in range(31, -1, -1):
        if a >> power & 1:
            product ^= b
        b = b >> 1 ^ (POLYNOMIAL if b & 1 else 0)
    return product


def factor(length: int) -> int:
    """Return the factor by which *length* following bytes multiply a checksum."""
    result, square = ONE, BYTE
    while length:
        if length & 1:
            result = multiply(square, result)
        square = multiply(square, square)
        length >>= 1
    return result
