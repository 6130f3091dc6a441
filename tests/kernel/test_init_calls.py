"""fanotify_init(2), inotify_init(2) and inotify_init1(2) are counted exactly."""

from __future__ import annotations

import errno
import os
from collections import Counter

import pytest

from fanotify_exporter.bpf.samples import OTHER_COMM
from tools.harness.kernel_caller import Caller
from tools.harness.kernel_calls import Counts, Load
from tools.harness.plans import NOBODY, every_init_flag


NO_INOTIFY_INIT = os.uname().machine == "aarch64"


@pytest.mark.many_keys
@pytest.mark.parametrize("user", [0, NOBODY])
def test_every_init_flag(fanotify_groups: Counts, caller: Caller, user: int) -> None:
    """Each flag and event_f_flag of fanotify_init(2) is counted with its errno."""
    made = caller.run(every_init_flag(), "maker", user=user, syscall="fanotify_init")

    fanotify_groups.agree(made, "maker")
    assert {0, errno.EINVAL} <= {error for _, _, _, error in made}


def test_groups_and_marks_are_apart(
    counts: Counts, fanotify_groups: Counts, inotify_groups: Counts, caller: Caller
) -> None:
    """Equal arguments of two system calls are counted separately."""
    groups = caller.run([(1, 0, 31)], "apart", syscall="fanotify_init")
    watchers = caller.run([(0x800, 0, 37)], "apart", syscall="inotify_init1")

    assert Counter() == counts.of("apart")
    fanotify_groups.agree(groups, "apart")
    inotify_groups.agree(watchers, "apart")


def test_inotify_init1(inotify_groups: Counts, caller: Caller) -> None:
    """Each flag of inotify_init1(2) is counted with its errno."""
    plan = [(1 << shift, 0, 1 + shift) for shift in range(32)]

    made = caller.run(plan, "watcher", syscall="inotify_init1")

    inotify_groups.agree(made, "watcher")


@pytest.mark.skipif(NO_INOTIFY_INIT, reason="arm64 has no inotify_init")
def test_inotify_init(inotify_groups: Counts, caller: Caller) -> None:
    """inotify_init(2) is counted as inotify_init1(2) without flags."""
    made = caller.run([(0, 0, 41)], "old", syscall="inotify_init")
    made += caller.run([(0, 0, 43)], "old", syscall="inotify_init1")

    assert {("old", 0, 0, 0): 84} == made
    inotify_groups.agree(made, "old")


@pytest.mark.many_keys
@pytest.mark.parametrize("syscall", ["fanotify_init", "inotify_init1", "inotify_init"])
def test_32_bit_program(
    fanotify_groups: Counts, inotify_groups: Counts, caller_32: Caller, syscall: str
) -> None:
    """Calls of a 32-bit program are counted if the hook sees compat calls."""
    counts = fanotify_groups if syscall == "fanotify_init" else inotify_groups
    plan = every_init_flag() if syscall == "fanotify_init" else [(0, 0, 47)]

    made = caller_32.run(plan, "maker32", syscall=syscall)

    counts.agree(made if counts.sees_compat else Counter(), "maker32")


def test_emfile(fanotify_groups: Counts, caller: Caller) -> None:
    """Calls of a process at its limit of open files are counted with EMFILE."""
    made = caller.run(
        [(0, 0, 53)], "full", syscall="fanotify_init", wrap=["prlimit", "--nofile=4"]
    )

    assert {("full", 0, 0, errno.EMFILE): 53} == made
    fanotify_groups.agree(made, "full")


def test_threads(fanotify_groups: Counts, caller: Caller) -> None:
    """Of 4000 calls by 8 threads, each is counted or reported as lost."""
    made = caller.run([(0, 0, 500)], "many", threads=8, syscall="fanotify_init")

    assert 4000 == made.total()
    fanotify_groups.agree(made, *(f"many{n}" for n in range(8)))


@pytest.mark.any_hook
def test_full_map_keeps_the_sum(load: Load, caller: Caller) -> None:
    """Keys that do not fit are counted together, by class and success."""
    counts = load(32, "fanotify_init")

    made = caller.run(every_init_flag(), "flood", syscall="fanotify_init")
    late = caller.run([(0x8, 0, 59)], "late", syscall="fanotify_init")
    calls = counts.read().calls["fanotify_init"]
    other = Counter(
        {
            (call.flags, bool(call.errno)): call.count
            for call in calls
            if call.comm == OTHER_COMM
        }
    )
    kept = counts.of("flood", "late")

    assert kept <= made + late
    missing = counts.missing((made + late).total(), kept.total() + other.total())
    assert other.total() == counts.found_no_room()
    assert {0x0, 0x4, 0x8, 0xC} == {flags for flags, _ in other}
    assert other[0x8, False] >= 59 - missing
