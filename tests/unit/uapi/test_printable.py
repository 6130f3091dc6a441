"""Names of any bytes as printable text."""

from __future__ import annotations

import pytest

from fanotify_exporter.uapi.printable import printable_text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"", ""),
        (b"plain name", "plain name"),
        (b"\xc3\xa9", "\u00e9"),
        (b"\xff", r"\xff"),
        (rb"\xff", r"\\xff"),
        (b"\\\xff", r"\\\xff"),
        (b"a\0b\n\x7f", r"a\x00b\x0a\x7f"),
        ("\u202e\u00a0".encode(), r"\xe2\x80\xae\xc2\xa0"),
    ],
)
def test_printable_text(name: bytes, text: str) -> None:
    """Backslashes and what cannot be printed are escaped; the rest stays."""
    assert text == printable_text(name)
