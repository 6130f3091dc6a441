"""Names of the event_f_flags of fanotify_init(2)."""

from __future__ import annotations

import os

import pytest

from fanotify_exporter.uapi.fcntl import EVENT_F_FLAGS, event_f_flag_names


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_numbers_never_share_a_text(machine: str) -> None:
    """No two numbers with one or two bits have the same text."""
    numbers = {1 << one | 1 << two for one in range(32) for two in range(32)} | {0}
    assert len(numbers) == len({event_f_flag_names(n, machine) for n in numbers})


def test_flags_of_each_machine() -> None:
    """The same bit is another flag on arm64, as in arm64's fcntl.h."""
    assert "O_RDONLY|O_LARGEFILE" == event_f_flag_names(0x8000, "x86_64")
    assert "O_RDONLY|O_NOFOLLOW" == event_f_flag_names(0x8000, "aarch64")
    assert "O_ACCMODE|O_APPEND|0x80000000" == event_f_flag_names(0x8000_0403, "x86_64")


def test_flags_agree_with_this_machine() -> None:
    """The table of this machine agrees with Python's os module."""
    table = EVENT_F_FLAGS[os.uname().machine]
    checked = {
        name: number
        for number, name in table.items()
        if getattr(os, name, 0) and name != "O_LARGEFILE"  # glibc: 0 or its own
    }
    assert len(checked) > 10
    assert {name: getattr(os, name) for name in checked} == checked
