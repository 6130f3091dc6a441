"""
Make fanotify_mark(2) and inotify_add_watch(2) calls that fail, under many names.

Tests call make(), which runs this file as a separate process. Each call has a key of
its own, with the longest labels: a comm of bytes that are escaped, nearly all flags,
and every mask bit. Marks take turns through all actions and mark types.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Sequence


PR_SET_NAME = 15
ALL_BITS = (1 << 64) - 1
# Every flag but the commands (add, remove, flush) and the mark types.
OTHER_FLAGS = 0xFFFF_FFFF & ~0x193
ACTIONS = (0x001, 0x002, 0x080, 0x003)
MARK_TYPES = (0x000, 0x010, 0x100, 0x110)


def make(number: int, prefix: Sequence[str] = ()) -> None:
    """Make *number* calls of each kind from a process started through *prefix*."""
    subprocess.run([*prefix, sys.executable, "-I", __file__, str(number)], check=True)


def main(number: int) -> None:
    """Make the calls, on no group and no instance."""
    libc = ctypes.CDLL(None)
    for each in range(number):
        libc.prctl(PR_SET_NAME, b"\xff" * 10 + b"%05d" % each)
        flags = OTHER_FLAGS | ACTIONS[each % 4] | MARK_TYPES[each // 4 % 4]
        libc.fanotify_mark(-1, flags, ctypes.c_uint64(ALL_BITS), -100, b".")
        libc.inotify_add_watch(-1, b".", 1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
