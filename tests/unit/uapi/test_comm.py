"""Thread names as printable text."""

from __future__ import annotations

import random

import pytest

from fanotify_exporter.uapi.comm import comm_text


@pytest.mark.parametrize(
    ("comm", "text"),
    [
        (b"fatrace\0\0\0\0\0\0\0\0\0", "fatrace"),
        (b"", ""),
        (b"\0" * 16, ""),
        (b"a b", "a b"),
        (b"fifteen bytes..\0", "fifteen bytes.."),
        (b"sixteen bytes...", "sixteen bytes..."),
        (b"name\0left over\n!", "name"),
        (b"\xc3\xb8re", "\u00f8re"),
        (b"\xf8re", r"\xf8re"),
        (b"cut in two \xe2\x82", r"cut in two \xe2\x82"),
        (b"surrogate\xed\xb3\xbf", r"surrogate\xed\xb3\xbf"),
        (b"over\xc0\xaflong", r"over\xc0\xaflong"),
        (b"new\nline", r"new\x0aline"),
        (b"\r\t\x1b[2J\x7f", r"\x0d\x09\x1b[2J\x7f"),
        (b"next\xc2\x85line", r"next\xc2\x85line"),
        (b"bidi\xe2\x80\xae", r"bidi\xe2\x80\xae"),
        (b"no-break\xc2\xa0", r"no-break\xc2\xa0"),
        (b'say "hi"', 'say "hi"'),
        (b"it's", "it's"),
        (b"back\\slash", r"back\\slash"),
        (rb"\xf8re", r"\\xf8re"),
        (b'a="b",c{d} 1', 'a="b",c{d} 1'),
    ],
)
def test_comm_text(comm: bytes, text: str) -> None:
    """Bytes that are not printable text become escapes that show the bytes."""
    assert text == comm_text(comm)


def test_comms_never_share_a_text() -> None:
    """Different thread names have different printable texts, whatever their bytes."""
    chance = random.Random(301)
    spiteful = b'\\x\n"n0ac\xc3\xa9\xe9\xff\xe2\x80\xae\xed '
    names = {chance.randbytes(chance.randrange(17)) for _ in range(2_000)}
    names |= {
        bytes(chance.choices(spiteful, k=chance.randrange(17))) for _ in range(2_000)
    }
    names = {name.split(b"\0")[0] for name in names}
    texts = {comm_text(name) for name in names}
    assert len(names) == len(texts)
    assert all(text.isprintable() for text in texts)
