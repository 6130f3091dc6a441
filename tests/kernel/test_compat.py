"""Calls by the 32-bit compat entry, which splits the mask into two arguments."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tools.harness.kernel_caller import Caller
from tools.harness.kernel_calls import Counts
from tools.harness.plans import NOBODY, every_bit_and_pair


@pytest.mark.many_keys
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="int 0x80 is x86's")
@pytest.mark.parametrize("user", [0, NOBODY])
def test_int_0x80(counts: Counts, caller: Caller, user: int) -> None:
    """Compat calls of a 64-bit program are counted if the hook sees compat calls."""
    made = caller.run(every_bit_and_pair(), "compat", abi="compat", user=user)

    assert made.total() > 1000
    counts.agree(made if counts.sees_compat else Counter(), "compat")


@pytest.mark.many_keys
def test_32_bit_program(counts: Counts, caller_32: Caller) -> None:
    """Calls of a 32-bit program are counted if the hook sees compat calls."""
    made = caller_32.run(every_bit_and_pair(), "small", threads=2)

    assert made.total() > 2000
    counts.agree(made if counts.sees_compat else Counter(), "small0", "small1")


def test_both_entries_in_turn(
    counts: Counts, caller: Caller, caller_32: Caller
) -> None:
    """Native and compat calls of one thread name are counted by their own arguments."""
    native = caller.run([(1, 1 << 40 | 0x20, 23)], "either")
    compat = caller_32.run([(1, 1 << 40 | 0x20, 29)], "either")

    counts.agree(native + compat if counts.sees_compat else native, "either")
