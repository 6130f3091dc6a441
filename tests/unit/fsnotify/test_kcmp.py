"""Descriptors of our own and of a child in; the kernel says which are one file."""

from __future__ import annotations

import errno
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cmp_to_key
from pathlib import Path

import pytest

from fanotify_exporter.fsnotify.kcmp import NUMBERS, File, compare_files


UNISTD_64 = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
UNISTD_GENERIC = Path("/usr/include/asm-generic/unistd.h")

OURS = os.getpid()


@pytest.fixture(autouse=True)
def _offered() -> None:
    try:
        compare_files((OURS, 0), (OURS, 0))
    except OSError as error:
        pytest.skip(f"this kernel or its container has no kcmp: {error}")


@pytest.fixture
def fds() -> Iterator[list[int]]:
    """Eleven open files, in no order."""
    with ExitStack() as stack:
        files = [stack.enter_context(Path("/dev/null").open()) for _ in range(11)]
        yield [file.fileno() for file in files]


def compare(one: int, other: int) -> int:
    return compare_files((OURS, one), (OURS, other))


@pytest.mark.parametrize(
    ("header", "machine"), [(UNISTD_64, "x86_64"), (UNISTD_GENERIC, "aarch64")]
)
def test_number_is_the_headers(header: Path, machine: str) -> None:
    """The system call's number is the one that this machine's headers give."""
    if not header.exists():
        pytest.skip(f"no {header} (linux-libc-dev)")
    found = re.search(r"^#define __NR_kcmp (\d+)$", header.read_text(), re.MULTILINE)
    assert found
    assert int(found[1]) == NUMBERS[machine]


def test_dup_is_the_same_file(fds: list[int]) -> None:
    """A descriptor equals itself and its duplicate, and no other of the same path."""
    copy = os.dup(fds[0])
    assert 0 == compare(fds[0], fds[0])
    assert 0 == compare(fds[0], copy)
    assert 0 != compare(fds[0], fds[1])
    os.close(copy)


def test_order_is_total(fds: list[int]) -> None:
    """Sorting twice gives the same order, so that equals stand side by side."""
    ordered = sorted(fds, key=cmp_to_key(compare))
    backwards = list(reversed(fds))
    assert ordered == sorted(backwards, key=cmp_to_key(compare))
    assert all(
        compare(one, other) == -1
        for place, one in enumerate(ordered)
        for other in ordered[place + 1 :]
    )


def test_other_process() -> None:
    """A child's descriptor is our file if it inherited it, under whatever number."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        child = subprocess.Popen(
            [sys.executable, "-c", "print(flush=True); input()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=ours.fileno(),
        )
        assert child.stdout
        child.stdout.readline()
        stderr: File = (child.pid, 2)
        assert 0 == compare_files((OURS, ours.fileno()), stderr)
        assert 0 != compare_files((OURS, theirs.fileno()), stderr)
        child.communicate()
    with pytest.raises(ProcessLookupError):
        compare_files((OURS, 0), stderr)


def test_closed_descriptor(fds: list[int]) -> None:
    """A descriptor that is closed is an error, not another file."""
    closed = os.dup(fds[0])
    os.close(closed)
    with pytest.raises(OSError, match="kcmp") as caught:
        compare(fds[0], closed)
    assert errno.EBADF == caught.value.errno
