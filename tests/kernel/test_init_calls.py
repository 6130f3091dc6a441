"""Calls that make groups are counted as exactly as marks are."""

from __future__ import annotations

import errno
import os
import subprocess
import time
from collections import Counter

import pytest

from fanotify_exporter.bpf.samples import OTHER_COMM
from tools.harness.kernel_calls import Caller, Counts, Load
from tools.harness.plans import NOBODY, every_init_flag


CREATORS = 1024
"""Places for them in bpf/fanotify.bpf.c, by pid."""
NO_INOTIFY_INIT = os.uname().machine == "aarch64"


@pytest.mark.many_keys
@pytest.mark.parametrize("user", [0, NOBODY])
def test_every_init_flag(fanotify_groups: Counts, caller: Caller, user: int) -> None:
    """Flags, event_f_flags and errno of fanotify_init arrive as they were."""
    made = caller.run(every_init_flag(), "maker", user=user, syscall="fanotify_init")

    assert made == fanotify_groups.of("maker")
    assert {0, errno.EINVAL} <= {error for _, _, _, error in made}


def test_groups_and_marks_are_apart(
    counts: Counts, fanotify_groups: Counts, inotify_groups: Counts, caller: Caller
) -> None:
    """The same name and numbers in two system calls are two counts."""
    groups = caller.run([(1, 0, 31)], "apart", syscall="fanotify_init")
    watchers = caller.run([(0x800, 0, 37)], "apart", syscall="inotify_init1")

    assert Counter() == counts.of("apart")
    assert groups == fanotify_groups.of("apart")
    assert watchers == inotify_groups.of("apart")


def test_inotify_init1(inotify_groups: Counts, caller: Caller) -> None:
    """Each flag of inotify_init1 arrives, and what is refused with its errno."""
    plan = [(1 << shift, 0, 1 + shift) for shift in range(32)]

    made = caller.run(plan, "watcher", syscall="inotify_init1")

    assert made == inotify_groups.of("watcher")


@pytest.mark.skipif(NO_INOTIFY_INIT, reason="arm64 has no inotify_init")
def test_inotify_init(inotify_groups: Counts, caller: Caller) -> None:
    """inotify_init is counted like inotify_init1 without flags."""
    made = caller.run([(0, 0, 41)], "old", syscall="inotify_init")
    made += caller.run([(0, 0, 43)], "old", syscall="inotify_init1")

    assert {("old", 0, 0, 0): 84} == made
    assert made == inotify_groups.of("old")


@pytest.mark.many_keys
@pytest.mark.parametrize("syscall", ["fanotify_init", "inotify_init1", "inotify_init"])
def test_32_bit_program(
    fanotify_groups: Counts, inotify_groups: Counts, caller_32: Caller, syscall: str
) -> None:
    """A 32-bit program's groups are counted whole, or not at all on a blind hook."""
    counts = fanotify_groups if syscall == "fanotify_init" else inotify_groups
    plan = every_init_flag() if syscall == "fanotify_init" else [(0, 0, 47)]

    made = caller_32.run(plan, "maker32", syscall=syscall)

    assert counts.of("maker32") == (made if counts.compat else Counter())


def test_emfile(fanotify_groups: Counts, caller: Caller) -> None:
    """A process that may open no more files shows with EMFILE."""
    made = caller.run(
        [(0, 0, 53)], "full", syscall="fanotify_init", wrap=["prlimit", "--nofile=4"]
    )

    assert {("full", 0, 0, errno.EMFILE): 53} == made
    assert made == fanotify_groups.of("full")


def test_threads(fanotify_groups: Counts, caller: Caller) -> None:
    """Of groups made by 8 threads at once none is lost unseen."""
    made = caller.run([(0, 0, 500)], "many", threads=8, syscall="fanotify_init")

    assert 4000 == made.total()
    fanotify_groups.agree(made, *(f"many{n}" for n in range(8)))


@pytest.mark.any_hook
def test_full_map_keeps_the_sum(load: Load, caller: Caller) -> None:
    """Keys that do not fit are counted together by class and success."""
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

    assert made.items() >= (kept - late).items()
    assert made.total() + late.total() == kept.total() + other.total()
    assert other.total() == counts.found_no_room()
    assert {0x0, 0x4, 0x8, 0xC} == {flags for flags, _ in other}
    assert other[0x8, False] >= 59


def test_creators_are_known(fanotify_groups: Counts, caller: Caller) -> None:
    """The process that made a group can be looked at at once."""
    began = time.monotonic()
    process = maker(caller)
    process.communicate(b"0 0 2\n")
    pids, are_all = fanotify_groups.creators(time.monotonic() - began)

    assert process.pid in pids
    assert are_all
    assert process.pid not in fanotify_groups.creators(0)[0]


@pytest.mark.any_hook
def test_creator_whose_place_another_takes(
    fanotify_groups: Counts, caller: Caller
) -> None:
    """Two makers whose pids share a place are not both known, and that is told."""
    began = time.monotonic()
    first = maker(caller)
    first.communicate(b"0 0 1\n")
    while ((second := maker(caller)).pid - first.pid) % CREATORS:
        second.communicate(b"")
    second.communicate(b"0 0 1\n")
    pids, are_all = fanotify_groups.creators(time.monotonic() - began)

    assert (False, True) == (first.pid in pids, second.pid in pids)
    assert not are_all
    assert fanotify_groups.creators(0)[1]


def maker(caller: Caller) -> subprocess.Popen[bytes]:
    """Start a process that makes groups when it is told how many."""
    command = caller.command("maker", syscall="fanotify_init")
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
