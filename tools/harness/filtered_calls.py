"""
System calls of a process with the seccomp filter.

answers() runs this file. In that process the filter answers with errors that none of
the calls returns otherwise.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import subprocess
import sys
from collections.abc import Sequence

from fanotify_exporter.system import privileges, seccomp


# EUCLEAN and ENOTNAM of errno(3): "refused" and "not there".
REFUSED, NOT_THERE = 117, 118

# The argument that stands for the pid of the calling process.
OWN_PID = "own pid"

# The only command of bpf(2) that the filter allows.
BPF_COMMAND = 15

# getpid() by int 0x80 of x86: push rbx; mov eax, 20; int 0x80; pop rbx; ret.
COMPAT_GETPID = bytes.fromhex("53 b814000000 cd80 5b c3")

# Number and arguments.
Call = tuple[int, Sequence[int | str]]


def answers(calls: Sequence[Call]) -> list[int]:
    """Return the errno of each of *calls*, 0 for success."""
    return _run(calls)


def compat_answer() -> int:
    """Return what getpid() returns to int 0x80: a pid, or an errno below 0."""
    (answer,) = _run([])
    return answer


def _run(calls: Sequence[Call]) -> list[int]:
    done = subprocess.run(
        [sys.executable, __file__],
        input=json.dumps(calls),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: list[int] = json.loads(done.stdout)
    return found


def main() -> None:
    calls: list[Call] = json.load(sys.stdin)
    seccomp.REFUSE = seccomp.SECCOMP_RET_ERRNO | REFUSED
    seccomp.NOT_THERE = seccomp.SECCOMP_RET_ERRNO | NOT_THERE
    code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(COMPAT_GETPID)
    place = ctypes.addressof(ctypes.c_char.from_buffer(code))
    getpid = ctypes.CFUNCTYPE(ctypes.c_int)(place)
    libc = ctypes.CDLL(None, use_errno=True)
    privileges.drop((), None)
    seccomp.install([BPF_COMMAND])

    def error(number: int, arguments: Sequence[int | str]) -> int:
        words = [os.getpid() if each == OWN_PID else int(each) for each in arguments]
        ctypes.set_errno(0)
        libc.syscall(*(ctypes.c_long(each) for each in (number, *words)))
        return ctypes.get_errno()

    print(json.dumps([error(*each) for each in calls] or [getpid()]))


if __name__ == "__main__":
    main()
