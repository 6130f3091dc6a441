"""Calls by the 32-bit entry: the mask in two halves, another number."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tools.harness.kernel_calls import Caller, Counts
from tools.harness.plans import NOBODY, every_bit_and_pair


@pytest.mark.many_keys
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="int 0x80 is x86's")
@pytest.mark.parametrize("user", [0, NOBODY])
def test_int_0x80(counts: Counts, caller: Caller, user: int) -> None:
    """A 64-bit program's int 0x80 is counted whole, or not at all on a blind hook."""
    made = caller.run(every_bit_and_pair(), "compat", abi="compat", user=user)

    assert made.total() > 1000
    assert counts.of("compat") == (made if counts.compat else Counter())


@pytest.mark.many_keys
def test_32_bit_program(counts: Counts, caller_32: Caller) -> None:
    """A real 32-bit program is counted whole, or not at all on a blind hook."""
    made = caller_32.run(every_bit_and_pair(), "small", threads=2)

    assert made.total() > 2000
    if counts.compat:
        counts.agree(made, "small0", "small1")
    else:
        assert Counter() == counts.of("small0", "small1")


def test_both_entries_in_turn(
    counts: Counts, caller: Caller, caller_32: Caller
) -> None:
    """Native calls are not taken for compat calls, nor the other way round."""
    native = caller.run([(1, 1 << 40 | 0x20, 23)], "either")
    compat = caller_32.run([(1, 1 << 40 | 0x20, 29)], "either")

    seen = native + compat if counts.compat else native
    assert seen == counts.of("either")
