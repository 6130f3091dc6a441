"""
Make fanotify_mark(2) calls that fail, each with a key of its own.

Tests call make(), which runs this file as a separate process. The calls have the
longest labels: a comm of bytes that are escaped, nearly all flags, and every mask bit.
They take turns through all actions and mark types.
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
    """Make *number* calls from a process that is started through *prefix*."""
    subprocess.run([*prefix, sys.executable, "-I", __file__, str(number)], check=True)


def main(number: int) -> None:
    """Make the calls, on no group."""
    libc = ctypes.CDLL(None)
    for each in range(number):
        libc.prctl(PR_SET_NAME, b"\xff" * 10 + b"%05d" % each)
        flags = OTHER_FLAGS | ACTIONS[each % 4] | MARK_TYPES[each // 4 % 4]
        libc.fanotify_mark(-1, flags, ctypes.c_uint64(ALL_BITS), -100, b".")


if __name__ == "__main__":
    main(int(sys.argv[1]))
