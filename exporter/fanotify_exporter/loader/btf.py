"""
Offsets of members and values of enumerators, from the running kernel's BTF.

bcc does not apply CO-RE relocations, so the loader defines each offset as a macro. The
format is in Documentation/bpf/btf.rst and include/uapi/linux/btf.h. A walk over all
types takes half a second; the search for the name of a structure takes milliseconds.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final


BTF: Final = Path("/sys/kernel/btf/vmlinux")

# include/uapi/linux/btf.h
MAGIC = 0xEB9F
KIND_STRUCT = 4
KIND_ENUM = 6
HEADER = struct.Struct("=HBBIIIII")
TYPE = struct.Struct("=III")
MEMBER = struct.Struct("=III")
ENUMERATOR = struct.Struct("=Ii")
OFFSET_BITS = 0xFF_FFFF


class BtfError(Exception):
    """The kernel has no BTF, or its BTF lacks a name. The text says which."""


class Btf:
    """Type information of a kernel."""

    def __init__(self, data: bytes) -> None:
        """
        Find the types and the names in *data*, the content of a BTF file.

        Raises:
            BtfError: *data* is no BTF.
        """
        if len(data) < HEADER.size or HEADER.unpack_from(data)[0] != MAGIC:
            raise BtfError("the kernel's BTF cannot be parsed: its magic is wrong")
        header = HEADER.unpack_from(data)
        _, _, _, length, types, types_length, strings, strings_length = header
        self._types = data[length + types :][:types_length]
        self._strings = data[length + strings :][:strings_length]

    def has_name(self, name: str) -> bool:
        """Return whether a type, a member or an enumerator is called *name*."""
        return self._find_name(name) > 0

    def offset(self, structure: str, member: str) -> int:
        """
        Return the offset of *member* in *structure*, in bytes; not for bit fields.

        Members of unnamed unions and structures inside *structure* are not found.

        Raises:
            BtfError: the BTF lacks the structure or the member.
        """
        name = self._find_name(member)
        for members in self._find_structures(structure):
            for member_name, bits in members:
                if member_name == name:
                    return bits // 8
        raise BtfError(f"the kernel's BTF has no member {member} of {structure}")

    def unnamed_offset(self, structure: str) -> int:
        """
        Return the offset of the unnamed union or structure in *structure*, in bytes.

        Raises:
            BtfError: the BTF lacks the structure, or the structure has no unnamed
                member or several, of which nothing tells the wanted one.
        """
        for members in self._find_structures(structure):
            unnamed = [bits for name, bits in members if not name]
            if len(unnamed) == 1:
                return unnamed[0] // 8
        raise BtfError(f"the kernel's BTF has no single unnamed member of {structure}")

    def size(self, structure: str) -> int:
        """
        Return the size of *structure*, in bytes.

        Raises:
            BtfError: the BTF lacks the structure.
        """
        for _, size in self._find_types(structure, KIND_STRUCT):
            return size
        raise BtfError(f"the kernel's BTF has no structure {structure}")

    def enumerator(self, enum: str, name: str) -> int:
        """
        Return the value of the enumerator *name* of *enum*.

        Raises:
            BtfError: the BTF lacks the enum or the enumerator.
        """
        wanted = self._find_name(name)
        for place, _ in self._find_types(enum, KIND_ENUM):
            for number, value in self._items(place, ENUMERATOR):
                if number == wanted:
                    return value
        raise BtfError(f"the kernel's BTF has no enumerator {name} of {enum}")

    def _find_name(self, name: str) -> int:
        """Return the place of *name* in the string section, which has it once, or 0."""
        return self._strings.find(b"\0%s\0" % name.encode()) + 1

    def _find_structures(self, name: str) -> Iterator[list[tuple[int, int]]]:
        """
        Yield the members of each structure called *name*.

        Each member is the number of its name, 0 without a name, and its offset in bits.
        """
        for place, _ in self._find_types(name, KIND_STRUCT):
            _, info, _ = TYPE.unpack_from(self._types, place)
            # Of a structure with bit fields, the upper 8 bits are the field's size.
            used = OFFSET_BITS if info >> 31 else 0xFFFF_FFFF
            yield [
                (member, bits & used) for member, _, bits in self._items(place, MEMBER)
            ]

    def _find_types(self, name: str, kind: int) -> Iterator[tuple[int, int]]:
        """
        Yield the place and the size of each type of *kind* called *name*.

        The search finds the number of the name anywhere in the type section. In the
        header of a type, the next word has the kind. After the name of a member or a
        parameter, the next word is the number of a type, which is less than a kind.
        The next word after the name of an enumerator is its value.
        """
        number = self._find_name(name)
        wanted = struct.pack("=I", number)
        place = -1
        while number and (place := self._types.find(wanted, place + 1)) >= 0:
            if place % 4 or place + TYPE.size > len(self._types):
                continue
            _, info, size = TYPE.unpack_from(self._types, place)
            if info >> 24 & 0x1F == kind:
                yield place, size

    def _items(self, place: int, layout: struct.Struct) -> Iterator[tuple[int, ...]]:
        """Yield the items behind the header of the type at *place*."""
        _, info, _ = TYPE.unpack_from(self._types, place)
        first = place + TYPE.size
        end = first + (info & 0xFFFF) * layout.size
        return layout.iter_unpack(self._types[first:end])


def read_btf(path: Path = BTF) -> Btf:
    """
    Return the type information of the running kernel.

    Raises:
        BtfError: the kernel has none (CONFIG_DEBUG_INFO_BTF), or it cannot be read.
    """
    try:
        return Btf(path.read_bytes())
    except OSError as error:
        raise BtfError(f"cannot read {path}: {error.strerror}") from error
