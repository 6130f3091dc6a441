"""
Calls whose registers hold more than the kernel uses.

The kernel takes 32 bits of the number and of most arguments, and drops the upper half
of these registers. A tracer may change the number when the call enters the kernel.
"""

from __future__ import annotations

import errno
import os
import sys
from collections import Counter

import pytest

from tools.harness import tracer
from tools.harness.kernel_caller import Caller, without_arguments
from tools.harness.kernel_calls import Counts, Key
from tools.harness.plans import ADD, FLUSH, OPEN


IS_X86 = os.uname().machine == "x86_64"
PLAN = [(ADD, OPEN, 10), (ADD | 0x40, 1 << 40 | OPEN, 7), (FLUSH, 0, 5)]
INIT_PLAN = [(0, 0, 11), (0x8, 2, 7), (0x8000_0000, 0x8000_0000, 5)]

any_syscall = pytest.mark.parametrize(
    "syscall",
    ["fanotify_mark", "fanotify_init", "inotify_init1", "inotify_add_watch"],
)
any_abi = pytest.mark.parametrize("abi", ["native", "compat"] if IS_X86 else ["native"])


@pytest.fixture
def tested(
    counts: Counts,
    fanotify_groups: Counts,
    inotify_groups: Counts,
    watches: Counts,
    syscall: str,
) -> Counts:
    """Return the counts of *syscall*."""
    of = {
        "fanotify_mark": counts,
        "fanotify_init": fanotify_groups,
        "inotify_init1": inotify_groups,
        "inotify_add_watch": watches,
    }
    return of[syscall]


def plan(syscall: str) -> list[tuple[int, int, int]]:
    if syscall == "inotify_init1":
        return [(flags, 0, count) for flags, _, count in INIT_PLAN]
    return INIT_PLAN if syscall == "fanotify_init" else PLAN


def make(caller: Caller, comm: str, abi: str, syscall: str) -> Counter[Key]:
    """Make the calls of the plan, return those that ran by the key they have."""
    made = that_ran(caller.run(plan(syscall), comm, abi=abi, syscall=syscall))
    return without_arguments(made) if syscall == "inotify_add_watch" else made


def traced(change: str) -> list[str]:
    """Return a command prefix that changes the registers of the command's calls."""
    return [sys.executable, str(tracer.__file__), change]


def that_ran(made: Counter[Key]) -> Counter[Key]:
    """Return *made* without the calls for which the kernel ran no function."""
    return Counter({key: n for key, n in made.items() if key[3] != errno.ENOSYS})


@any_syscall
@any_abi
def test_odd_upper_halves(
    tested: Counts, caller: Caller, syscall: str, abi: str
) -> None:
    """
    The upper half of number and arguments changes neither the count nor the labels.

    Before 5.14 the kernel refuses such a native number with ENOSYS, unless it traces
    the task: a hook at the function sees no call then.
    """
    made = make(caller, "odd", f"{abi}_odd", syscall)

    seen = tested.sees_compat or abi == "native"
    tested.agree(made if seen else Counter(), "odd")
    assert made or "tracepoint" not in tested.hook


@any_abi
def test_number_of_a_tracer(counts: Counts, caller: Caller, abi: str) -> None:
    """The number that a tracer sets is the number of the call, not the program's."""
    change = traced("show_odd" if IS_X86 else "show")
    made = caller.run(PLAN, "shown", abi=f"{abi}_hidden", wrap=change)

    assert that_ran(made)
    counts.agree(made if counts.sees_compat or abi == "native" else Counter(), "shown")


@any_abi
def test_number_that_a_tracer_takes_away(
    counts: Counts, caller: Caller, abi: str
) -> None:
    """A call that a tracer turns into another call is not counted."""
    made = caller.run(PLAN, "gone", abi=abi, wrap=traced("hide"))

    assert {errno.ENOSYS} == {error for *_, error in made}
    counts.agree(Counter(), "gone")


@pytest.mark.skipif(not IS_X86, reason="x32 is x86's")
@any_syscall
def test_x32(tested: Counts, caller: Caller, syscall: str) -> None:
    """An x32 call is counted as a compat call; a kernel without x32 makes no call."""
    made = make(caller, "x32", "x32", syscall)

    tested.agree(made if tested.sees_compat else Counter(), "x32")
