"""
A host with many processes, descriptors and fanotify groups, for tools.bench.groups.

The host has 2,000 processes with 50 descriptors each; 20 of the processes have a group.
"""

from __future__ import annotations

import ctypes
import os
import select
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


PROCESSES, DESCRIPTORS = 2000, 50
LISTENERS = 20
# fanotify_init(2) and fanotify_mark(2): FAN_UNLIMITED_MARKS, FAN_MARK_ADD, FAN_OPEN.
UNLIMITED_MARKS, ADD, OPEN = 0x20, 0x1, 0x20

libc = ctypes.CDLL(None, use_errno=True)


def make_group(marks: int, folder: str) -> int:
    """Return a new group with *marks* marks, each on a new file in *folder*."""
    group: int = libc.fanotify_init(UNLIMITED_MARKS, 0)
    for number in range(marks):
        path = os.fsencode(f"{folder}/{number}")
        os.close(os.open(path, os.O_CREAT))
        if libc.fanotify_mark(group, ADD, ctypes.c_uint64(OPEN), -100, path):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return group


def open_descriptors(folder: str) -> list[object]:
    """Open DESCRIPTORS files, sockets, pipes and epoll instances; return them."""
    opened: list[object] = []
    for number in range(DESCRIPTORS // 10):
        paths = (f"{folder}/{number}-{each}" for each in range(4))
        opened += [os.open(path, os.O_CREAT) for path in paths]
        opened += [socket.socket() for _ in range(3)]
        opened += [os.pipe(), select.epoll()]
    return opened


@contextmanager
def host() -> Iterator[str]:
    """
    Fork PROCESSES processes, the first LISTENERS of them with a group.

    Yields a folder for scratch files. The processes end with the block.
    """
    with tempfile.TemporaryDirectory() as folder:
        ready, say_ready = os.pipe()
        going, end = os.pipe()
        pids = []
        for number in range(PROCESSES):
            if pid := os.fork():
                pids.append(pid)
                continue
            os.close(end)
            opened = (
                open_descriptors(folder),
                number < LISTENERS and make_group(3, folder),
            )
            os.write(say_ready, b"!")
            os.read(going, 1)
            os._exit(not opened)  # the reference has kept the sockets open
        for _ in pids:
            os.read(ready, 1)
        yield folder
        for each in (ready, say_ready, going, end):
            os.close(each)
        for pid in pids:
            os.waitpid(pid, 0)
