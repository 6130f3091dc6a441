"""Reads of a pass of a BPF iterator."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from errno import EAGAIN, EPERM

import pytest

from fanotify_exporter.bpf import iterator
from fanotify_exporter.bpf.iterator import (
    MAX_EMPTY_READS,
    read_pass,
    read_records,
)


Answer = bytes | OSError

AGAIN = BlockingIOError(EAGAIN, os.strerror(EAGAIN))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Answer]:
    """Return the list of what the next reads answer; the pass must be closed."""
    answers: list[Answer] = []
    opened: list[int] = []

    def read(descriptor: int, _: int) -> bytes:
        assert opened == [descriptor]
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    def create(*_: object) -> int:
        opened.append(7)
        return 7

    monkeypatch.setattr(iterator, "bpf", create)
    monkeypatch.setattr(os, "read", read)
    monkeypatch.setattr(os, "close", opened.remove)
    return answers


@pytest.mark.parametrize(
    "answers",
    [
        [b"onetwo", b""],
        [b"one", b"two", b""],
        [AGAIN, AGAIN, b"one", AGAIN, b"two", AGAIN, b""],
        [b"onetwo", *[AGAIN] * (MAX_EMPTY_READS - 1), b""],
    ],
)
def test_all_output(answers: Iterable[Answer], reads: list[Answer]) -> None:
    """EAGAIN is no end: the kernel passed many objects, and the next read goes on."""
    reads.extend(answers)
    assert b"onetwo" == read_pass(3)
    assert [] == reads


def test_records(reads: list[Answer]) -> None:
    """A record may lie across the border of two reads."""
    reads.extend([b"\1\0\2", b"\0\3", AGAIN, b"\0", b""])
    assert [(1,), (2,), (3,)] == [*read_records(3, struct.Struct("<H"))]


def test_pass_without_end(reads: list[Answer]) -> None:
    """A pass that only ever answers EAGAIN fails after a fixed number of reads."""
    reads.extend([AGAIN] * MAX_EMPTY_READS)
    with pytest.raises(OSError, match="did not end in 1000 reads"):
        read_pass(3)
    assert [] == reads


def test_refused_read(reads: list[Answer]) -> None:
    """Any other error ends the pass."""
    reads.append(PermissionError(EPERM, os.strerror(EPERM)))
    with pytest.raises(PermissionError):
        read_pass(3)
