"""The seccomp filter: which system calls are refused, by the kernel and on paper."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from errno import ENOSYS, EPERM
from pathlib import Path

import pytest

from fanotify_exporter.system import seccomp
from fanotify_exporter.system.seccomp_calls import (
    ABSENT,
    CONDITIONAL,
    FIRST_UNKNOWN,
    MACHINES,
    NEEDED_TO_START,
    NEVER_NEEDED,
    NONE,
)
from tools.harness.classic_bpf import verdict
from tools.harness.filtered_calls import (
    ALL,
    ALLOWED_IF,
    BPF_COMMAND,
    NOT_THERE,
    OWN_PID,
    REFUSED,
    REFUSED_CALLS,
    REFUSED_IF,
    Call,
    answers,
    compat_answer,
    of_this_machine,
)


HERE = os.uname().machine

# Work of the serving process and its libraries, besides HTTP.
SERVING = """
import asyncio, os, resource, signal, socket
from fanotify_exporter.fsnotify.kcmp import compare_files
from fanotify_exporter.system import privileges, seccomp

privileges.drop((), None)
server = socket.create_server(("127.0.0.1", 0))
seccomp.install([])

async def work():
    return await asyncio.to_thread(os.listdir, "/proc/self/fd")

assert asyncio.run(work())
server.setblocking(False)
try:
    server.accept()
except BlockingIOError:
    server.close()
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).close()
assert 0 == compare_files((os.getpid(), 0), (os.getpid(), 0))
limits = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, limits)
signal.raise_signal(signal.SIGTERM)
"""


def test_the_kernel_refuses_each_call() -> None:
    """Each call fails with the filter's error, whatever its arguments."""
    arguments = (-1, -1, -1, -1, -1, -1)
    found = of_this_machine([(name, arguments) for name in REFUSED_CALLS])
    assert {} == {name: error for (name, _), error in found.items() if error != REFUSED}
    assert set(REFUSED_CALLS) == NEVER_NEEDED.keys() | NEEDED_TO_START.keys()


def test_the_kernel_refuses_by_arguments() -> None:
    """Calls that write, start processes or touch other processes are refused."""
    found = of_this_machine(REFUSED_IF)
    assert {} == {call: error for call, error in found.items() if error != REFUSED}
    assert CONDITIONAL.keys() == {name for name, _ in REFUSED_IF}


def test_the_kernel_allows_by_arguments() -> None:
    """The same calls with the arguments that serving uses reach the kernel."""
    found = of_this_machine(ALLOWED_IF)
    assert set() == {REFUSED, NOT_THERE} & set(found.values())
    assert CONDITIONAL.keys() == {name for name, _ in ALLOWED_IF}


def test_calls_that_are_not_there() -> None:
    """The C library's fallbacks are used: clone3 and openat2 look unknown."""
    found = of_this_machine([("clone3", (0, 0)), ("openat2", (-1, 0, 0, 0))])
    assert [NOT_THERE, NOT_THERE] == list(found.values())


def test_unknown_numbers_are_not_there() -> None:
    """Calls of later kernels and of x32 look unknown."""
    x32 = 0x4000_0000
    numbers = (FIRST_UNKNOWN, FIRST_UNKNOWN + 4, 999, x32, x32 | 39, x32 | 520, -5)
    assert 7 * [NOT_THERE] == answers([(number, ()) for number in numbers])


@pytest.mark.skipif(HERE != "x86_64", reason="int 0x80 is x86's")
def test_32_bit_calls_are_refused() -> None:
    """A call by int 0x80 fails, whatever its number."""
    assert -REFUSED == compat_answer()


def test_serving_is_not_disturbed() -> None:
    """Threads, sockets, /proc, kcmp, limits and signals to the own process work."""
    done = subprocess.run([sys.executable, "-c", SERVING], check=False)
    assert -15 == done.returncode


def test_errors() -> None:
    """A refused call fails with EPERM; an unknown one with ENOSYS."""
    errors = seccomp.REFUSE & 0xFFFF, seccomp.NOT_THERE & 0xFFFF
    assert (EPERM, ENOSYS) == errors


@pytest.mark.parametrize("machine", MACHINES)
def test_answers_on_each_machine(machine: str) -> None:
    """On paper, the filters of all machines give each call the same answer."""
    pid = 4711
    program = list(seccomp.build(machine, pid, [BPF_COMMAND]))
    column = MACHINES.index(machine)
    abi = seccomp.AUDIT_ARCH[machine]

    def answer(name: str, arguments: tuple[int | str, ...]) -> int:
        words = [pid if each == OWN_PID else int(each) for each in arguments]
        return verdict(program, abi, ALL[name][column], words)

    def answered(calls: list[Call]) -> set[int]:
        return {answer(*each) for each in calls if ALL[each[0]][column] != NONE}

    assert {seccomp.REFUSE} == answered([(name, ()) for name in REFUSED_CALLS])
    assert {seccomp.REFUSE} == answered(REFUSED_IF)
    assert {seccomp.ALLOW} == answered(ALLOWED_IF)
    assert {seccomp.NOT_THERE} == answered([(name, ()) for name in ABSENT])
    assert seccomp.NOT_THERE == verdict(program, abi, FIRST_UNKNOWN)
    refused = {numbers[column] for numbers in ALL.values()}
    others = set(range(FIRST_UNKNOWN)) - refused
    assert {seccomp.ALLOW} == {verdict(program, abi, number) for number in others}
    for other in (0x4000_0003, 0x4000_0028, *seccomp.AUDIT_ARCH.values()):
        if other != abi:
            assert seccomp.REFUSE == verdict(program, other, 0)


@pytest.mark.parametrize("machine", MACHINES)
def test_numbers_agree_with_the_headers(machine: str) -> None:
    """Each number is the constant of the installed kernel headers."""
    headers = {
        "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
        "aarch64": Path("/usr/include/asm-generic/unistd.h"),
    }
    if not headers[machine].exists():
        pytest.skip(f"no {headers[machine]} (linux-libc-dev)")
    text = headers[machine].read_text()
    constants = re.findall(r"^#define __NR(?:3264)?_(\w+)\s+(\d+)$", text, re.MULTILINE)
    known = {name: int(number) for name, number in constants}
    column = MACHINES.index(machine)
    ours = {name: numbers[column] for name, numbers in ALL.items()}
    newer = {"fchmodat2"}  # Linux 6.6
    assert {name: known.get(name, NONE) for name in ours.keys() - newer} == {
        name: number for name, number in ours.items() if name not in newer
    }
    assert max(ours.values()) < FIRST_UNKNOWN


def test_a_machine_without_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that the table lacks, no filter is installed."""
    machine = os.uname_result(("Linux", "host", "6.1", "#1", "riscv64"))
    monkeypatch.setattr(os, "uname", lambda: machine)
    with pytest.raises(OSError, match="riscv64") as caught:
        seccomp.install([])
    assert ENOSYS == caught.value.errno
