"""Users without privileges, who may make groups of the class notification."""

from __future__ import annotations

import ctypes
import os
import struct
from contextlib import suppress

from tools.harness.forked import in_child
from tools.harness.permission.counted import Counted


# include/uapi/linux/prctl.h
PR_SET_NAME = 15

NOBODY = 65534
NAMES = 300


def answer_by_many_names() -> None:
    """Write answers that the kernel refuses, each by another name."""
    libc = ctypes.CDLL(None, use_errno=True)
    # Before Linux 5.13 only root makes groups.
    groups = [libc.fanotify_init(0, os.O_RDONLY) for _ in range(8)]
    assert min(groups) >= 0
    os.setuid(NOBODY)
    for number in range(NAMES):
        libc.prctl(PR_SET_NAME, f"stranger-{number}".encode())
        with suppress(OSError):
            os.write(groups[number % len(groups)], struct.pack("=iI", 5, 1))


def test_writes_to_groups_without_permission_events(counted: Counted) -> None:
    """Nobody's answers take no entry of a map and make no series."""
    before = counted.read()
    assert 0 == in_child(answer_by_many_names)
    after = counted.read()
    assert len(before.totals) == len(after.totals)
    assert before.usage == after.usage
