"""Symbols of error numbers."""

from __future__ import annotations

import pytest

from fanotify_exporter.uapi.errnos import errno_name
from tools.harness.c_headers import defined_numbers, header_lines


ERRNOS = {
    1: "EPERM",
    2: "ENOENT",
    9: "EBADF",
    11: "EAGAIN",
    12: "ENOMEM",
    13: "EACCES",
    17: "EEXIST",
    18: "EXDEV",
    19: "ENODEV",
    20: "ENOTDIR",
    21: "EISDIR",
    22: "EINVAL",
    24: "EMFILE",
    28: "ENOSPC",
    35: "EDEADLK",
    38: "ENOSYS",
    95: "EOPNOTSUPP",
    512: "ERESTARTSYS",
    513: "ERESTARTNOINTR",
    514: "ERESTARTNOHAND",
    516: "ERESTART_RESTARTBLOCK",
    524: "ENOTSUPP",
}


@pytest.mark.parametrize(("number", "name"), ERRNOS.items())
def test_errno_name(number: int, name: str) -> None:
    """An errno has the symbol of the manual pages and of strace."""
    assert name == errno_name(number)


@pytest.mark.parametrize("number", [0, 41, 520, 600, 4095, 65535])
def test_errno_without_a_name(number: int) -> None:
    """The text of an errno without a symbol is its digits."""
    assert str(number) == errno_name(number)


def test_errno_names_are_distinct() -> None:
    """No two errnos have the same text."""
    names = {errno_name(number) for number in range(1 << 13)}
    assert 1 << 13 == len(names)


def test_errnos_agree_with_the_headers() -> None:
    """Every errno of the installed headers has the symbol of the headers."""
    headers = ("asm-generic/errno-base.h", "asm-generic/errno.h")
    defined = defined_numbers(line for each in headers for line in header_lines(each))
    assert len(defined) > 100
    assert defined == {errno_name(number): number for number in defined.values()}
