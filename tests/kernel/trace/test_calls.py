"""Records of calls have the arguments that the callers passed."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Sequence

import pytest

from fanotify_exporter.bpf.call_records import Call
from fanotify_exporter.uapi.fanotify import MASK
from tools.harness.kernel_caller import Caller
from tools.harness.kernel_calls import Counts
from tools.harness.listeners import as_user, listening
from tools.harness.plans import ADD, FLUSH, NOBODY, OPEN, REMOVE
from tools.harness.traced_calls import Traced, by_key


# 23 calls, each with a flag or a mask that no other has.
PLAN = [
    *((ADD, 1 << 40 | bit, 1) for bit in sorted(MASK)[:18]),
    *((command, OPEN, 1) for command in (ADD, REMOVE, FLUSH, ADD | REMOVE, 0)),
]

X86 = pytest.mark.skipif(os.uname().machine != "x86_64", reason="int 0x80 is x86's")


def as_plan(calls: Sequence[Call]) -> list[tuple[int, int, int]]:
    """Return *calls* as a plan of a caller, in order."""
    return [(call.flags, call.mask, 1) for call in calls]


def check(traced: Traced, caller: Caller, made: Counter, calls: list[Call]) -> None:  # type: ignore[type-arg]
    """Compare the 23 *calls* with those *made*, argument by argument."""
    traced.agree(len(PLAN), len(calls))
    if traced.lost:
        pytest.skip(f"{traced.lost} calls are told as lost: inconclusive")
    assert PLAN == as_plan(calls)
    assert made == by_key(calls)
    assert {("fanotify_mark", -100, os.fsencode(caller.folder))} == {
        (call.syscall, call.dirfd, call.pathname) for call in calls
    }
    (fd,) = {call.fd for call in calls}
    assert fd > 2
    assert sorted(call.boot_ns for call in calls) == [call.boot_ns for call in calls]
    (pid,) = {call.pid for call in calls}
    (tid,) = {call.tid for call in calls}
    assert pid < tid
    assert {0} == {call.uid for call in calls}


def test_native_calls(traced: Traced, caller: Caller) -> None:
    """23 calls are told in order, with all arguments."""
    made = caller.run(PLAN, "native")
    check(traced, caller, made, traced.calls("native"))


@X86
def test_int_0x80(traced: Traced, caller: Caller) -> None:
    """Compat calls of a 64-bit program are told if the hook sees compat calls."""
    made = caller.run(PLAN, "compat", abi="compat")
    calls = traced.calls("compat")
    if traced.loaded.sees_compat:
        check(traced, caller, made, calls)
    else:
        assert [] == calls


def test_32_bit_program(traced: Traced, caller_32: Caller) -> None:
    """Calls of a 32-bit program are told if the hook sees compat calls."""
    made = caller_32.run(PLAN, "small")
    calls = traced.calls("small")
    if traced.loaded.sees_compat:
        check(traced, caller_32, made, calls)
    else:
        assert [] == calls


def test_threads(traced: Traced, caller: Caller) -> None:
    """Of 8,000 calls by 8 threads, each is told once, or as lost."""
    made = caller.run([(ADD, 1 << bit, 250) for bit in range(4)], "crowd", threads=8)
    calls = traced.calls(*(f"crowd{n}" for n in range(8)))
    traced.agree(8000, len(calls))
    assert by_key(calls) <= made
    assert len({call.tid for call in calls}) == 8


def test_full_buffer(traced: Traced, caller: Caller) -> None:
    """Of calls that nobody reads, those without room are told as lost."""
    caller.run([(ADD, 1 << 40, 20_000)], "flood", threads=2)
    calls = traced.calls("flood0", "flood1")
    assert 10_000 < len(calls) < 13_000
    traced.agree(40_000, len(calls))


def test_beside_counters(traced: Traced, counts: Counts, caller: Caller) -> None:
    """Programs that count see the same calls."""
    made = caller.run([(ADD, 1 << 41 | n, 7) for n in range(43)], "both")
    calls = traced.calls("both")
    counts.agree(made, "both")
    traced.agree(made.total(), len(calls))
    assert by_key(calls) <= made


@pytest.mark.parametrize("abi", ["native", pytest.param("compat", marks=X86)])
@pytest.mark.parametrize(
    ("syscall", "plan"),
    [
        ("fanotify_init", [(4, 0x8000, 1), (0xC, 1, 1), (0x8000_0000, 0, 1)]),
        ("inotify_init1", [(0x800, 0, 1), (0x80000, 0, 1), (1, 0, 1)]),
        ("inotify_init", [(0, 0, 1)]),
        ("inotify_add_watch", [(0, 0x102, 1), (0, 0, 1), (0, 0x8000_0000, 1)]),
    ],
)
def test_other_calls(
    traced: Traced,
    caller: Caller,
    abi: str,
    syscall: str,
    plan: list[tuple[int, int, int]],
) -> None:
    """Calls that make groups, instances and watches have their own arguments."""
    if syscall == "inotify_init" and os.uname().machine == "aarch64":
        pytest.skip("arm64 has no native inotify_init")
    made = caller.run(plan, "other", abi=abi, syscall=syscall)
    calls = traced.calls("other")
    if abi == "compat" and not traced.loaded.sees_compat:
        assert [] == calls
        return
    traced.agree(len(plan), len(calls))
    if traced.lost:
        pytest.skip(f"{traced.lost} calls are told as lost: inconclusive")
    assert {syscall} == {call.syscall for call in calls}
    assert plan == as_plan(calls)
    assert made == by_key(calls)
    is_watch = syscall == "inotify_add_watch"
    path = os.fsencode(caller.folder) if is_watch else None
    assert {path} == {call.pathname for call in calls}
    assert is_watch == all(call.fd > 2 for call in calls)


def test_paths(traced: Traced) -> None:
    """NULL, an address that cannot be read, long and hostile paths are told apart."""
    code = r"""
        group = init()

        def refused(path):
            assert libc.fanotify_mark(group, ADD, ctypes.c_uint64(OPEN), 77, path)

        refused(None)
        refused(ctypes.c_void_p(1))
        for length in (0, 1, 255, 256, 257, 4000):
            refused(b"y" * length)
        refused(b"\x1b[31m\xff\n")
    """
    with listening(code) as program:
        calls = [
            call
            for call in traced.calls(program.comm)
            if call.syscall == "fanotify_mark"
        ]
    if traced.lost:
        pytest.skip(f"{traced.lost} calls are told as lost: inconclusive")
    assert {(77, program.pid, program.pid)} == {
        (call.dirfd, call.pid, call.tid) for call in calls
    }
    told = [(call.pathname, call.pathname_error, call.is_cut) for call in calls]
    assert told == [
        (None, 0, False),
        (None, errno.EFAULT, False),
        *((b"y" * length, 0, False) for length in (0, 1, 255, 256)),
        *((b"y" * 256, 0, True) for _ in range(2)),
        (b"\x1b[31m\xff\n", 0, False),
    ]


def test_user_and_cgroup(traced: Traced) -> None:
    """A call has the real user and the cgroup of its caller."""
    with listening("instance()", prefix=as_user(NOBODY)) as program:
        (call,) = traced.calls(program.comm)
        cgroup = os.stat("/sys/fs/cgroup/" + cgroup_path(program.pid)).st_ino  # noqa: PTH116
    assert (NOBODY, cgroup) == (call.uid, call.cgroup)


def cgroup_path(pid: int) -> str:
    """Return the path of a process in the cgroup v2 hierarchy, or skip."""
    with open(f"/proc/{pid}/cgroup") as file:  # noqa: PTH123
        found = [line for line in file if line.startswith("0::")]
    if not found or not os.path.exists("/sys/fs/cgroup/cgroup.procs"):  # noqa: PTH110
        pytest.skip("no cgroup v2 hierarchy is mounted here")
    return found[0].strip().removeprefix("0::/")
