"""Numbers of watches in the fdinfo of inotify instances."""

from __future__ import annotations

import pytest

from fanotify_exporter.fsnotify.inotify_fdinfo import count_watches


HEAD = b"pos:\t0\nflags:\t02004000\nmnt_id:\t15\nino:\t1057\n"
WATCH = (
    b"inotify wd:3 ino:9e7e sdev:800013 mask:800afce ignored_mask:0 fhandle-bytes:8 "
    b"fhandle-type:1 f_handle:7e9e0000640d1b6d\n"
)
# Linux before 5.11 has ignored_mask of the mark, and a file system without handles
# has no fhandle.
OLD_WATCH = b"inotify wd:2 ino:1 sdev:3 mask:8 ignored_mask:0\n"


@pytest.mark.parametrize(
    ("chunks", "watches"),
    [
        ((), 0),
        ((HEAD,), 0),
        ((HEAD + WATCH,), 1),
        ((HEAD + WATCH * 2 + OLD_WATCH, WATCH * 40, OLD_WATCH), 44),
        ((b"fanotify flags:0 event-flags:8000\n", b"xinotify wd:1 \n"), 0),
    ],
)
def test_watches(chunks: tuple[bytes, ...], watches: int) -> None:
    """Each line of a watch counts, at the begin of a chunk too."""
    assert watches == count_watches(chunks)
