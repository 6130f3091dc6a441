"""
Threads from /proc/PID/task/TID: state, counters, and what a thread waits for.

Any user may read stat and status. Another user's wchan takes CAP_SYS_PTRACE, and io and
syscall also CAP_DAC_READ_SEARCH. No function takes a lock that a thread may hold while
it waits for a permission listener, as cmdline does with the lock of the memory map.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from fanotify_exporter.procfs import PROC
from fanotify_exporter.procfs.process import read_pids, read_process_file


# The state of a thread in an uninterruptible or a killable wait; task_state_array in
# fs/proc/array.c.
DISK_SLEEP: Final = "D"

# The kernel writes at most 52 numbers, and a name of at most 64 bytes.
STAT_BYTES: Final = 4096

# The content of wchan if the kernel does not tell; proc_pid_wchan() in fs/proc/base.c.
NO_FUNCTION: Final = "0"


# Addresses of a 32-bit program are below.
MAX_COMPAT: Final = 1 << 32

# The words of a syscall file within a call.
SYSCALL_WORDS: Final = 9


def read_tasks(proc: Path = PROC) -> Iterator[tuple[int, int, bytes]]:
    """Yield the pid, the thread id and the stat file of each thread."""
    for pid in read_pids(proc):
        stat = read_task_stat(pid, pid, proc)
        yield pid, pid, stat
        if stat and parse_thread_count(stat) > 1:
            with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
                for tid in read_other_tids(pid, proc):
                    yield pid, tid, read_task_stat(pid, tid, proc)


def read_other_tids(pid: int, proc: Path = PROC) -> Iterator[int]:
    """Yield the thread ids of a process, but not of its first thread."""
    with os.scandir(proc / str(pid) / "task") as entries:
        for entry in entries:
            if entry.name != str(pid):
                yield int(entry.name)


def read_task_stat(pid: int, tid: int, proc: Path = PROC) -> bytes:
    """Return the stat file of a thread, empty if it has ended or is hidden."""
    # A scan of all threads calls this function more often than any other.
    try:
        fd = os.open(f"{proc}/{pid}/task/{tid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""
    try:
        return os.read(fd, STAT_BYTES)
    except ProcessLookupError:
        return b""
    finally:
        os.close(fd)


def parse_thread_count(stat: bytes) -> int:
    """Return the 20th field of a *stat* file: the number of the process's threads."""
    return int(stat[stat.rindex(b")") :].split(None, 19)[18])


def parse_task_state(stat: bytes) -> str:
    """Return the third field of a *stat* file; the second may hold any bytes."""
    place = stat.rindex(b")") + 2
    return chr(stat[place])


def parse_task_comm(stat: bytes) -> bytes:
    """Return the name of the thread, the second field of a *stat* file."""
    return stat[stat.index(b"(") + 1 : stat.rindex(b")")]


def read_voluntary_switches(process: int, tid: int) -> int:
    """
    Return how often a thread has given up its CPU to wait.

    The count of a thread that waits goes up only if the thread is woken up.
    """
    return parse_voluntary_switches(read_process_file(process, f"task/{tid}/status"))


def parse_voluntary_switches(status: bytes) -> int:
    """Return the voluntary_ctxt_switches of a *status* file."""
    (found,) = re.findall(rb"^voluntary_ctxt_switches:\t(\d+)$", status, re.MULTILINE)
    return int(found)


def read_wchan(process: int, tid: int) -> str:
    """Return the kernel function in which a thread waits, or NO_FUNCTION."""
    return read_process_file(process, f"task/{tid}/wchan").decode()


def read_io_counts(process: int, tid: int) -> bytes:
    """
    Return the counters of what a thread has read and written.

    The counters include what the kernel reads of a program for execve(2). The result is
    empty if the kernel has no such counters (CONFIG_TASK_IO_ACCOUNTING) or this process
    may not read them.
    """
    try:
        return read_process_file(process, f"task/{tid}/io")
    except (FileNotFoundError, PermissionError):
        return b""


def read_syscall(process: int, tid: int) -> bytes:
    """
    Return the number and the arguments of the system call that a thread is in.

    The stack pointer and the program counter follow the six arguments. The result is
    "running" for a thread that runs, and begins with -1 outside of a call:
    proc_pid_syscall() in fs/proc/base.c.
    """
    return read_process_file(process, f"task/{tid}/syscall")


def is_in_syscall(syscall: bytes, native: int, compat: int) -> bool:
    """
    Return whether a *syscall* file tells the call *native*, or *compat* by 32 bits.

    The file does not tell which. A program whose stack and code are below 4 GiB counts
    as a 32-bit program.
    """
    words = syscall.split()
    if len(words) != SYSCALL_WORDS:
        return False
    is_compat = max(int(word, 16) for word in words[-2:]) < MAX_COMPAT
    return int(words[0]) == (compat if is_compat else native)
