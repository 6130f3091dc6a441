"""Numbers of system calls, and the errors of calls that fail."""

from __future__ import annotations

import os
import re
from errno import EINVAL, ENOSYS
from pathlib import Path

import pytest

from fanotify_exporter.system import syscalls
from fanotify_exporter.system.syscalls import NUMBERS, syscall


HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}


@pytest.mark.parametrize("machine", NUMBERS)
def test_numbers_agree_with_the_headers(machine: str) -> None:
    """Each number is the __NR_ constant of the installed kernel headers."""
    header = HEADERS[machine]
    if not header.exists():
        pytest.skip(f"no {header} (linux-libc-dev)")
    found = re.findall(r"^#define __NR_(\w+) (\d+)$", header.read_text(), re.MULTILINE)
    defined = {name: int(number) for name, number in found}
    assert NUMBERS[machine].items() <= defined.items()


def test_machines_have_the_same_calls() -> None:
    """No call is missing on one of the machines."""
    assert NUMBERS["x86_64"].keys() == NUMBERS["aarch64"].keys()


def test_arguments_and_result() -> None:
    """The kernel gets integers, bytes and null pointers, and the result comes back."""
    pr_set_name, pr_get_dumpable = 15, 3
    name = Path("/proc/thread-self/comm").read_bytes()
    assert 0 == syscall("prctl", pr_set_name, b"t-syscall\0", 0, 0, 0)
    assert b"t-syscall\n" == Path("/proc/thread-self/comm").read_bytes()
    syscall("prctl", pr_set_name, name.rstrip(b"\n") + b"\0", None, None, None)
    assert name == Path("/proc/thread-self/comm").read_bytes()
    assert syscall("prctl", pr_get_dumpable, 0, 0, 0, 0) in (0, 1, 2)


def test_failure_names_the_call() -> None:
    """A call that fails raises OSError with the errno, its text and the call's name."""
    no_option = 2**31 - 1
    with pytest.raises(OSError, match="prctl") as caught:
        syscall("prctl", no_option, 0, 0, 0, 0)
    expected = (EINVAL, os.strerror(EINVAL), "prctl")
    error = caught.value
    assert expected == (error.errno, error.strerror, error.filename)


def test_machine_without_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that the table does not have, a call fails with ENOSYS."""
    monkeypatch.setattr(syscalls, "_numbers", {})
    with pytest.raises(OSError, match="kcmp") as caught:
        syscall("kcmp", 1, 1, 0, 0, 0)
    assert ENOSYS == caught.value.errno
