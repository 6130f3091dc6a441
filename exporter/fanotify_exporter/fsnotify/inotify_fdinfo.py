"""
Parser of an inotify instance's fdinfo: the number of watches.

fs/notify/fdinfo.c writes one line for each watch, since Linux 3.8. An instance without
watches has no such line::

    inotify wd:3 ino:9e7e sdev:800013 mask:800afce ignored_mask:0 fhandle-...
    inotify wd:2 ino:a111 sdev:800013 mask:800afce ignored_mask:0 fhandle-...

A watch whose inode is being freed has no line.
"""

from __future__ import annotations

from collections.abc import Iterable


def count_watches(chunks: Iterable[bytes]) -> int:
    """Return the number of watches in *chunks* of whole lines."""
    return sum((b"\n" + chunk).count(b"\ninotify ") for chunk in chunks)
