"""Comparison of open files of this process and of a child, by the kernel."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cmp_to_key
from pathlib import Path

import pytest

from fanotify_exporter.fsnotify.kcmp import File, compare_files


OWN_PID = os.getpid()


@pytest.fixture(autouse=True)
def _offered() -> None:
    try:
        compare_files((OWN_PID, 0), (OWN_PID, 0))
    except OSError as error:
        pytest.skip(f"this kernel or its container has no kcmp: {error}")


@pytest.fixture
def fds() -> Iterator[list[int]]:
    """Give the descriptors of eleven open files."""
    with ExitStack() as stack:
        files = [stack.enter_context(Path("/dev/null").open()) for _ in range(11)]
        yield [file.fileno() for file in files]


def compare(one: int, other: int) -> int:
    return compare_files((OWN_PID, one), (OWN_PID, other))


def test_dup_is_the_same_file(fds: list[int]) -> None:
    """A descriptor equals itself and its duplicate, but no second open(2) of a path."""
    copy = os.dup(fds[0])
    assert 0 == compare(fds[0], fds[0])
    assert 0 == compare(fds[0], copy)
    assert 0 != compare(fds[0], fds[1])
    os.close(copy)


def test_order_is_total(fds: list[int]) -> None:
    """The order is the same whatever the order before, so equal files are adjacent."""
    ordered = sorted(fds, key=cmp_to_key(compare))
    backwards = list(reversed(fds))
    assert ordered == sorted(backwards, key=cmp_to_key(compare))
    assert all(
        compare(one, other) == -1
        for place, one in enumerate(ordered)
        for other in ordered[place + 1 :]
    )


def test_other_process() -> None:
    """A descriptor that a child inherited is the same file, whatever its number."""
    one, other = socket.socketpair()
    with one, other:
        child = subprocess.Popen(
            [sys.executable, "-c", "print(flush=True); input()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=one.fileno(),
        )
        assert child.stdout
        child.stdout.readline()
        stderr: File = (child.pid, 2)
        assert 0 == compare_files((OWN_PID, one.fileno()), stderr)
        assert 0 != compare_files((OWN_PID, other.fileno()), stderr)
        child.communicate()
    with pytest.raises(ProcessLookupError):
        compare_files((OWN_PID, 0), stderr)


def test_closed_descriptor(fds: list[int]) -> None:
    """A closed descriptor is an error, not a different file."""
    closed = os.dup(fds[0])
    os.close(closed)
    with pytest.raises(OSError, match="kcmp") as caught:
        compare(fds[0], closed)
    assert errno.EBADF == caught.value.errno
