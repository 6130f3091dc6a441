"""Calls that sleep in the kernel: a kretprobe has a limited number of instances."""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import select
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from threading import Thread

import pytest

from tools.harness.kernel_calls import Counts
from tools.harness.plans import ADD, OPEN


# More than the default maxactive of a kretprobe on the two CPUs of a guest.
SLEEPERS = 64

IS_ARM64 = os.uname().machine == "aarch64"
USERFAULTFD = 282 if IS_ARM64 else 323
FANOTIFY_INIT, FANOTIFY_MARK = (262, 263) if IS_ARM64 else (300, 301)
UFFDIO_API, UFFDIO_REGISTER, UFFDIO_ZEROPAGE = 0xC018AA3F, 0xC020AA00, 0xC020AA04
PR_SET_NAME = 15
MESSAGE_BYTES = 32

libc = ctypes.CDLL(None, use_errno=True)


class Trap:
    """A page that blocks each reader, also in the kernel (userfaultfd(2))."""

    def __init__(self, stack: ExitStack) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self._page))
        self._fd = libc.syscall(USERFAULTFD, os.O_CLOEXEC | os.O_NONBLOCK)
        if self._fd < 0:
            pytest.skip(f"userfaultfd: {os.strerror(ctypes.get_errno())}")
        stack.callback(os.close, self._fd)
        fcntl.ioctl(self._fd, UFFDIO_API, struct.pack("QQQ", 0xAA, 0, 0))
        place = struct.pack("QQQQ", self.address, mmap.PAGESIZE, 1, 0)
        fcntl.ioctl(self._fd, UFFDIO_REGISTER, place)

    def await_victims(self, number: int) -> None:
        """Wait until *number* threads wait for the page."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        while number:
            assert poll.poll(30_000), f"{number} threads never came"
            number -= len(os.read(self._fd, MESSAGE_BYTES)) // MESSAGE_BYTES

    def open(self) -> None:
        """Fill the page with zeros, so that all readers continue."""
        place = struct.pack("QQQq", self.address, mmap.PAGESIZE, 0, 0)
        fcntl.ioctl(self._fd, UFFDIO_ZEROPAGE, place)


@pytest.fixture
def trap() -> Iterator[Trap]:
    with ExitStack() as stack:
        yield Trap(stack)


def mark(group: int, path: int, results: list[int]) -> None:
    """Call fanotify_mark(2) in a thread named "sleeper", with the path at *path*."""
    libc.prctl(PR_SET_NAME, b"sleeper")
    words = (FANOTIFY_MARK, group, ADD, OPEN, -100, path)
    result = libc.syscall(*map(ctypes.c_long, words))
    results.append(ctypes.get_errno() if result < 0 else 0)


def test_many_calls_asleep(counts: Counts, trap: Trap) -> None:
    """Calls that sleep are counted when they return, or reported as lost."""
    group = libc.syscall(FANOTIFY_INIT, 0, os.O_RDONLY)
    results: list[int] = []
    threads = [
        Thread(target=mark, args=(group, trap.address, results))
        for _ in range(SLEEPERS)
    ]
    for thread in threads:
        thread.start()
    trap.await_victims(SLEEPERS)
    trap.open()
    for thread in threads:
        thread.join()
    os.close(group)
    made = Counter(("sleeper", ADD, OPEN, errno) for errno in results)

    assert SLEEPERS == made.total()
    if counts.misses_unseen:
        assert counts.of("sleeper").total() < made.total()
    else:
        counts.agree(made, "sleeper")
