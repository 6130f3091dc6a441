"""
A program that makes known fanotify_mark(2) calls under known names.

Tests call make(); it runs this file as a process of its own, which checks that
each call ended as it should have, so that the numbers of a test are facts.
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
    Equal calls on the working directory.

    Attributes:
        comm: name of the calling thread; the kernel keeps 15 bytes of it.
        errno: how each call must end, 0 for success; EBADF is made by a
            descriptor that is none.
    """

    comm: bytes
    flags: int
    mask: int
    times: int
    errno: int = 0


def make(folder: Path, *calls: Calls, prefix: Sequence[str] = ()) -> None:
    """Make *calls* on *folder* from one new process, which *prefix* runs, in order."""
    jobs = [asdict(each) | {"comm": each.comm.hex()} for each in calls]
    subprocess.run(
        [*prefix, sys.executable, "-I", __file__],
        input=json.dumps(jobs).encode(),
        cwd=folder,
        check=True,
    )


def call(libc: ctypes.CDLL, group: int, calls: Calls) -> None:
    """Make the calls under their name; each must end as they say."""
    libc.prctl(PR_SET_NAME, calls.comm)
    descriptor = -1 if calls.errno == errno.EBADF else group
    arguments = (descriptor, calls.flags, ctypes.c_uint64(calls.mask), AT_FDCWD, b".")
    for _ in range(calls.times):
        failed = libc.fanotify_mark(*arguments) != 0
        got = ctypes.get_errno() if failed else 0
        if got != calls.errno:
            sys.exit(f"{calls}: {os.strerror(got)}")


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
