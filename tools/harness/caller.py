"""
Make a known number of fanotify_mark(2) calls under known thread names.

Tests call make(), which runs this file as a separate process. The process asserts the
result of every call, so a test can rely on the numbers.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


PR_SET_NAME = 15
FAN_CLOEXEC_NONBLOCK = 0x3
AT_FDCWD = -100


@dataclass(frozen=True, slots=True)
class Calls:
    """
    A number of identical calls on the working directory.

    Attributes:
        comm: name of the calling thread; the kernel keeps the first 15 bytes.
        errno: expected result of each call, 0 for success. For EBADF the calls use
            descriptor -1.
    """

    comm: bytes
    flags: int
    mask: int
    times: int
    errno: int = 0


def make(folder: Path, *calls: Calls, prefix: Sequence[str] = ()) -> None:
    """Make *calls* on *folder*, in order, from one process started through *prefix*."""
    jobs = [asdict(each) | {"comm": each.comm.hex()} for each in calls]
    subprocess.run(
        [*prefix, sys.executable, "-I", __file__],
        input=json.dumps(jobs).encode(),
        cwd=folder,
        check=True,
    )


def call(libc: ctypes.CDLL, group: int, calls: Calls) -> None:
    """Make the calls under their thread name; exit if a result is not as expected."""
    libc.prctl(PR_SET_NAME, calls.comm)
    descriptor = -1 if calls.errno == errno.EBADF else group
    arguments = (descriptor, calls.flags, ctypes.c_uint64(calls.mask), AT_FDCWD, b".")
    for _ in range(calls.times):
        failed = libc.fanotify_mark(*arguments) != 0
        actual = ctypes.get_errno() if failed else 0
        if actual != calls.errno:
            sys.exit(f"{calls}: {os.strerror(actual)}")


def main(jobs: Sequence[dict[str, object]]) -> None:
    """Make the calls that *jobs* describe, all with one fanotify group."""
    libc = ctypes.CDLL(None, use_errno=True)
    group = libc.fanotify_init(FAN_CLOEXEC_NONBLOCK, os.O_RDONLY)
    if group < 0:
        sys.exit(f"fanotify_init: {os.strerror(ctypes.get_errno())}")
    for job in jobs:
        comm = bytes.fromhex(str(job.pop("comm")))
        call(libc, group, Calls(comm, **job))  # type: ignore[arg-type]


if __name__ == "__main__":
    main(json.load(sys.stdin))
