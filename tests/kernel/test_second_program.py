"""The second program on the raw tracepoint counts the calls that the first missed."""

from __future__ import annotations

import os

import pytest

from tools.harness.kernel_caller import Caller
from tools.harness.kernel_calls import Counts, attached
from tools.harness.plans import ADD, FLUSH, OPEN


@pytest.mark.parametrize("skipped", [None, 0, 1], ids=["neither", "first", "second"])
def test_call_that_one_program_does_not_see(
    method: str, caller: Caller, skipped: int | None
) -> None:
    """
    A call is counted once if both programs see the call, or only one of them.

    A program that is detached stands for a program that the kernel skips.
    """
    with attached(method, max_entries=64) as loaded:
        links = [fd for name, fd in loaded.fds.items() if name.startswith("link:raw")]
        if len(links) != 2:
            pytest.skip(f"{method} has no second program")
        if skipped is not None:
            os.dup2(loaded.fds["slots"], links[skipped])  # closes the link
        counts = Counts(loaded)

        made = caller.run([(ADD, OPEN, 23), (FLUSH, 0, 7)], "second")

        assert 30 == made.total()
        counts.agree(made, "second")
