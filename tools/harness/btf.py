"""Make BTF, as Documentation/bpf/btf.rst describes the format."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


HEADER_SIZE = 24
KIND_STRUCT = 4
KIND_ENUM = 6


@dataclass(frozen=True, slots=True)
class Member:
    """A member and its offset in bits, with the size of a bit field in the top byte."""

    name: str
    offset: int


@dataclass(frozen=True, slots=True)
class Struct:
    """A structure with its members, and its size in bytes."""

    name: str
    members: Sequence[Member]
    has_bit_fields: bool = False
    size: int = 9999


@dataclass(frozen=True, slots=True)
class Enumeration:
    """An enum with its enumerators."""

    name: str
    values: Mapping[str, int]


def make_btf(
    structures: Sequence[Struct],
    names: Sequence[str] = (),
    enums: Sequence[Enumeration] = (),
) -> bytes:
    """Return BTF with *structures* and *enums*, and with *names* among its strings."""
    strings = bytearray(b"\0")
    places = {"": 0}

    def place(name: str) -> int:
        if name not in places:
            places[name] = len(strings)
            strings.extend(name.encode() + b"\0")
        return places[name]

    types = bytearray()
    for each in structures:
        kind = KIND_STRUCT << 24 | each.has_bit_fields << 31
        types += struct.pack(
            "=III", place(each.name), kind | len(each.members), each.size
        )
        for member in each.members:
            types += struct.pack("=III", place(member.name), 1, member.offset)
    for enum in enums:
        kind = KIND_ENUM << 24
        types += struct.pack("=III", place(enum.name), kind | len(enum.values), 4)
        for name, value in enum.values.items():
            types += struct.pack("=Ii", place(name), value)
    for name in names:
        place(name)
    lengths = (0, len(types), len(types), len(strings))
    header = struct.pack("=HBBIIIII", 0xEB9F, 1, 0, HEADER_SIZE, *lengths)
    return header + bytes(types) + bytes(strings)
