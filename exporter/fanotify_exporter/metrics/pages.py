"""
Pages of metrics, made from compressed parts that all clients of a scrape share.

Large families are compressed while they are encoded, so memory never holds the text of
a page. A page for other families or another encoding takes the same parts, so a client
that asks for ever new selections costs little.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from fanotify_exporter.metrics import crc32
from fanotify_exporter.metrics.exposition import Format
from fanotify_exporter.metrics.families import Family
from fanotify_exporter.metrics.registry import Scrape, Selection


# Of 10,000 series (1.7 MB), level 6 takes 10 ms and leaves 5.7 %. Level 1 takes 3 ms
# and leaves 6.7 %; Python's default, 9, takes 29 ms and leaves 5.1 %.
GZIP_LEVEL = 6

# A family with less text is compressed anew for each page, together with its
# neighbours: alone it would not compress well.
SMALL_BYTES = 4096

# Text that a client without gzip gets in one piece.
INFLATE_BYTES = 65_536

# RFC 1952: magic number, deflate, no flags, no time, usual level, unknown system.
GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
# RFC 1951: the last block, empty, with fixed codes.
LAST_BLOCK = b"\x03\x00"


class Deflated(NamedTuple):
    """
    Compressed text that can be joined with other compressed text.

    Attributes:
        blocks: deflate blocks (RFC 1951), none of them the last, ending at a byte.
        size: length of the text in bytes.
        crc: CRC-32 of the text.
        factor: factor for the CRC-32 of the text before it.
    """

    blocks: bytes
    size: int
    crc: int
    factor: int


def deflate(pieces: Iterable[bytes]) -> Deflated:
    """Compress *pieces*, one after the other."""
    compressor = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    blocks = []
    size = crc = 0
    for piece in pieces:
        blocks.append(compressor.compress(piece))
        size += len(piece)
        crc = zlib.crc32(piece, crc)
    blocks.append(compressor.flush(zlib.Z_SYNC_FLUSH))
    return Deflated(b"".join(blocks), size, crc, crc32.factor(size))


Part = bytes | Deflated


class Body(NamedTuple):
    """
    The body of the responses to all clients that want the same page.

    Attributes:
        pieces: the bytes. Each iteration makes them anew, while a client reads them.
        length: their number.
    """

    pieces: Iterable[bytes]
    length: int


class ScrapePages:
    """The pages of one scrape. Each family is encoded at most once for each format."""

    def __init__(self, scrape: Scrape) -> None:
        """Make pages of *scrape*, which collects when a page needs a family."""
        self.scrape = scrape
        self._parts: dict[tuple[Format, str, tuple[str, ...]], Part] = {}

    def body(self, form: Format, selection: Selection, *, gzip: bool) -> Body:
        """Return the page of the families in *selection*."""
        parts = [*self._page(form, selection), form.end]
        return gzip_body(parts) if gzip else plain_body(parts)

    def _page(self, form: Format, selection: Selection) -> Iterator[Part]:
        for family in self.scrape.families(selection):
            owners = self.scrape.owners(family.name, selection)
            key = form, family.name, owners
            if key not in self._parts:
                self._parts[key] = make_part(form, family)
            yield self._parts[key]
        for family in self.scrape.about_collectors(selection):
            yield make_part(form, family)


def make_part(form: Format, family: Family) -> Part:
    """Return *family* encoded, and compressed unless the text is small."""
    pieces = form.encode(family)
    first = next(pieces)
    return first if len(first) < SMALL_BYTES else deflate(chain([first], pieces))


def gzip_body(parts: Sequence[Part]) -> Body:
    """Join *parts* to one gzip member."""
    pieces = [GZIP_HEADER]
    size = crc = 0
    for part in _deflate_small(parts):
        pieces.append(part.blocks)
        size += part.size
        crc = crc32.multiply(part.factor, crc) ^ part.crc
    pieces.append(LAST_BLOCK + struct.pack("<II", crc, size & 0xFFFF_FFFF))
    return Body(pieces, sum(map(len, pieces)))


def _deflate_small(parts: Iterable[Part]) -> Iterator[Deflated]:
    """Yield the compressed parts, and between them the small ones as one part."""
    small: list[bytes] = []
    for part in parts:
        if isinstance(part, bytes):
            small.append(part)
        else:
            if small:
                yield deflate([b"".join(small)])
                small.clear()
            yield part
    if small:
        yield deflate([b"".join(small)])


def plain_body(parts: Sequence[Part]) -> Body:
    """Return the text of *parts*, inflated while a client reads it."""
    sizes = (len(part) if isinstance(part, bytes) else part.size for part in parts)
    return Body(Inflated(parts), sum(sizes))


class Inflated:
    """The text of parts, in pieces."""

    def __init__(self, parts: Sequence[Part]) -> None:
        """Keep the compressed parts only."""
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        """Yield pieces of at most INFLATE_BYTES."""
        return chain.from_iterable(map(_text, self._parts))


def _text(part: Part) -> Iterator[bytes]:
    if isinstance(part, bytes):
        yield part
        return
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    rest = part.blocks
    while text := inflater.decompress(rest, INFLATE_BYTES):
        yield text
        rest = inflater.unconsumed_tail
