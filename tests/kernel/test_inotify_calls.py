"""inotify_add_watch(2) is counted exactly, by comm and errno."""

from __future__ import annotations

import ctypes
import errno
import os
from collections import Counter
from threading import Thread

import pytest

from fanotify_exporter.bpf.samples import OTHER_COMM
from tools.harness.kernel_caller import Caller, without_arguments
from tools.harness.kernel_calls import Counts, Key, Load
from tools.harness.plans import ADD, NOBODY, OPEN


WATCH = "inotify_add_watch"
IN_MODIFY = 0x2

# Slots of inotify_add_watch(2): MAX_WATCH_ENTRIES in loader/maps.py.
SLOTS = 256
NAMES = 1000
PR_SET_NAME = 15

# Calls that succeed, and calls that fail with EINVAL.
PLAN = [(0, IN_MODIFY, 23), (0, 0, 7)]

# Run a command in a user namespace in which nobody may have a watch.
NO_WATCHES = (
    *("unshare", "--user", "--map-root-user", "sh", "-ec"),
    'echo 0 >/proc/sys/user/max_inotify_watches; exec "$@"',
    "sh",
)

libc = ctypes.CDLL(None, use_errno=True)


def run(caller: Caller, comm: str, abi: str = "native") -> Counter[Key]:
    """Make the calls of PLAN."""
    return without_arguments(caller.run(PLAN, comm, abi=abi, syscall=WATCH))


@pytest.mark.parametrize("user", [0, NOBODY])
def test_calls(watches: Counts, caller: Caller, user: int) -> None:
    """Each call is counted with its errno, a watch descriptor being a success."""
    made = without_arguments(caller.run(PLAN, "editor", user=user, syscall=WATCH))

    assert {("editor", 0, 0, 0): 23, ("editor", 0, 0, errno.EINVAL): 7} == made
    watches.agree(made, "editor")


def test_masks_share_a_key(watches: Counts, caller: Caller) -> None:
    """Calls that differ in their mask only are counted together."""
    plan = [(0, 1 << shift, 3) for shift in range(12)]

    made = without_arguments(caller.run(plan, "masks", syscall=WATCH))

    assert {("masks", 0, 0, 0): 36} == made
    watches.agree(made, "masks")


def test_limit(watches: Counts, caller: Caller) -> None:
    """Calls of a user at the limit of watches are counted with ENOSPC."""
    made = without_arguments(
        caller.run([(0, IN_MODIFY, 11)], "full", syscall=WATCH, wrap=NO_WATCHES)
    )

    assert {("full", 0, 0, errno.ENOSPC): 11} == made
    watches.agree(made, "full")


def test_threads(watches: Counts, caller: Caller) -> None:
    """Of 200,000 calls by 8 threads, each is counted or reported as lost."""
    plan = [(0, IN_MODIFY, 20_000), (0, 0, 5000)]

    made = without_arguments(caller.run(plan, "many", threads=8, syscall=WATCH))

    assert 200_000 == made.total()
    watches.agree(made, *(f"many{n}" for n in range(8)))


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="int 0x80 is x86's")
def test_int_0x80(watches: Counts, caller: Caller) -> None:
    """Compat calls of a 64-bit program are counted if the hook sees compat calls."""
    made = run(caller, "compat", "compat")

    assert 30 == made.total()
    watches.agree(made if watches.sees_compat else Counter(), "compat")


def test_32_bit_program(watches: Counts, caller: Caller, caller_32: Caller) -> None:
    """Calls of a 32-bit program are counted if the hook sees compat calls."""
    native, compat = run(caller, "either"), run(caller_32, "either")

    watches.agree(native + compat if watches.sees_compat else native, "either")


def test_other_calls_are_apart(
    watches: Counts, inotify_groups: Counts, counts: Counts, caller: Caller
) -> None:
    """Calls of one comm are counted by system call."""
    added = run(caller, "apart")
    makers = caller.run([(0, 0, 31)], "apart", syscall="inotify_init1")

    watches.agree(added, "apart")
    inotify_groups.agree(makers, "apart")
    assert Counter() == counts.of("apart")


@pytest.mark.parametrize("error", [errno.EPERM, errno.ENOSPC])
def test_refused_by_seccomp(watches: Counts, caller: Caller, error: int) -> None:
    """
    Tracepoint hooks count a refused call with the filter's errno.

    Also where a pair of tracepoints counts other calls: no argument is saved at the
    entry of inotify_add_watch(2), so no program is there.
    """
    made = caller.run(
        [(0, IN_MODIFY, 23), (0, IN_MODIFY | 1, 29)],
        "filtered",
        syscall=WATCH,
        wrap=("env", f"SECCOMP={0x0005_0000 | error:x}"),
    )
    refused = Counter({("filtered", 0, IN_MODIFY | 1, error): 29})

    assert {("filtered", 0, IN_MODIFY, 0): 23, **refused} == made
    seen = made if watches.sees_refused else made - refused
    watches.agree(without_arguments(seen), "filtered")


@pytest.mark.any_hook
def test_no_cgroup_in_the_key(load: Load, caller: Caller) -> None:
    """With --label.container too, the calls of a comm have one key."""
    counts = load(64, WATCH, container=True)

    made = run(caller, "inside")

    counts.agree(made, "inside")
    calls = counts.read().calls[WATCH]
    assert {0} == {call.cgroup for call in calls if call.comm == "inside"}


def flood() -> None:
    """Call from a thread under NAMES names, twice each: a failure and a success."""
    group = libc.inotify_init1(0)
    for number in range(NAMES):
        libc.prctl(PR_SET_NAME, b"flood%d" % number)
        libc.inotify_add_watch(-1, b"/", IN_MODIFY)
        libc.inotify_add_watch(group, b"/", IN_MODIFY)
    os.close(group)


@pytest.mark.many_keys  # in the map that the tests share too
@pytest.mark.any_hook
def test_flood_of_names(load: Load, caller: Caller) -> None:
    """
    Names that do not fit are counted together, by success.

    They take no slot of other system calls.
    """
    counts = load(64, WATCH)
    thread = Thread(target=flood)
    thread.start()
    thread.join()
    marks = caller.run([(ADD, OPEN, 13)], "marker")
    marks += caller.run([(ADD, OPEN, 17)], "nobody", user=NOBODY)
    snapshot = counts.read()
    other = {
        bool(call.errno): call.count
        for call in snapshot.calls[WATCH]
        if call.comm == OTHER_COMM
    }
    kept = counts.of(*(f"flood{number}" for number in range(NAMES)))
    usage = {each.map: each.entries for each in snapshot.usage}

    assert SLOTS >= len(kept) > SLOTS / 2
    assert {1} == set(kept.values())
    assert {False, True} == set(other)
    counts.missing(2 * NAMES, kept.total() + sum(other.values()))
    assert sum(other.values()) == counts.found_no_room()
    assert SLOTS == usage[WATCH]
    assert 64 > usage["calls_privileged"] > 0
    assert 64 > usage["calls_user"] > 0
    found = {call.comm for call in snapshot.calls["fanotify_mark"]}
    assert {comm for comm, *_ in marks} <= found or counts.lost()
    assert OTHER_COMM not in found
