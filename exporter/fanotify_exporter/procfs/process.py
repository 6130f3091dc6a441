"""Processes from /proc/PID: ids, names, users, start times and descriptors."""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from fanotify_exporter.procfs import PROC


# Parsing 64 KiB of fdinfo takes less than 5 ms, the switch interval of the GIL.
CHUNK_BYTES = 65_536

# Reading 250 links takes less than 1 ms of CPU time.
LINKS_AT_ONCE = 250

# CAP_SYS_ADMIN in include/uapi/linux/capability.h.
CAP_SYS_ADMIN: Final = 21

# The target of ns/user in the initial user namespace; PROC_USER_INIT_INO in
# include/linux/proc_ns.h.
INITIAL_USER_NAMESPACE: Final = "user:[4026531837]"


@dataclass(frozen=True, slots=True)
class Credentials:
    """
    The user of a process, and whether the process has power over the whole host.

    Attributes:
        uid: effective user id, in the exporter's user namespace.
        privileged: whether CAP_SYS_ADMIN is in effect in the initial user namespace,
            and the process is not a set-user-ID program of another user.
    """

    uid: int
    privileged: bool


@contextmanager
def _opened(path: str | Path, flags: int, folder: int | None) -> Iterator[int]:
    fd = os.open(path, flags | os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    try:
        yield fd
    finally:
        os.close(fd)


def read_pids(proc: Path = PROC) -> list[int]:
    """Return the process ids that *proc* lists, in its order."""
    return [int(path.name) for path in proc.iterdir() if path.name.isdecimal()]


@contextmanager
def opened_process(pid: int, proc: Path = PROC) -> Iterator[int]:
    """
    Open the /proc folder of a process, for the functions that take a *process*.

    The functions read files of this process only, even if the kernel reuses the pid
    for another process. After the process has ended, the functions raise
    ProcessLookupError or FileNotFoundError.
    """
    with _opened(proc / str(pid), os.O_DIRECTORY, None) as process:
        yield process


def read_linked_fds(
    process: int, wanted: Container[str]
) -> Iterator[list[tuple[int, str]]]:
    """
    Yield the descriptors of *process* whose link is in *wanted*, in batches.

    Links are not followed: a stat(2) could wait for an unreachable file server. A
    batch is the result of inspecting LINKS_AT_ONCE descriptors, the last one of fewer.

    Args:
        process: a folder opened by opened_process().
        wanted: targets of links, such as "anon_inode:[fanotify]".

    Yields:
        Each descriptor with its link.

    Raises:
        PermissionError: for another user's process, listing takes
            CAP_DAC_READ_SEARCH, and reading a link also takes CAP_SYS_PTRACE.
    """
    with _opened("fd", os.O_DIRECTORY, process) as folder:
        names = _names(folder)
        while batch := list(islice(names, LINKS_AT_ONCE)):
            yield [
                (int(name), link)
                for name in batch
                if (link := _read_link(name, folder)) in wanted
            ]


def read_link(process: int, fd: int) -> str:
    """
    Return the link of a descriptor of *process*; empty if the descriptor is closed.

    Raises:
        PermissionError: another user's process takes CAP_SYS_PTRACE.
        ProcessLookupError: the process has ended.
    """
    return _read_link(f"fd/{fd}", process)


def count_fds(process: int) -> int:
    """
    Return the number of descriptors of *process*, in constant time.

    Since Linux 6.2 the size of the folder fd is that number: proc_fd_getattr() in
    fs/proc/fd.c. Before, the result is the size of the descriptor table, which is
    higher.
    """
    count = os.stat("fd", dir_fd=process).st_size
    return count or parse_table_size(read_process_file(process, "status"))


def parse_table_size(status: bytes) -> int:
    """Return the FDSize of a *status* file."""
    (size,) = re.findall(rb"^FDSize:\t(\d+)$", status, re.MULTILINE)
    return int(size)


def _names(folder: int) -> Iterator[str]:
    """
    Yield the names in *folder*.

    A list of a million names takes 60 MB, and the kernel makes an inode for each.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            yield entry.name


def _read_link(name: str, folder: int) -> str:
    try:  # contextlib.suppress would take a tenth of a scan's time
        return os.readlink(name, dir_fd=folder)
    except FileNotFoundError:  # closed since the folder was listed
        return ""


def read_fdinfo(process: int, fd: int) -> Iterator[bytes]:
    """
    Yield the fdinfo of a descriptor, in chunks of whole lines.

    The kernel makes the whole text before the first chunk, in about 3 us a mark.

    Raises:
        PermissionError: another user's process takes CAP_SYS_PTRACE.
    """
    with _opened(f"fdinfo/{fd}", 0, process) as file:
        rest = b""
        while read := os.read(file, CHUNK_BYTES):
            lines, newline, rest = (rest + read).rpartition(b"\n")
            yield lines + newline
    if rest:
        yield rest


def read_process_comm(process: int) -> bytes:
    """Return the name of the process's first thread, which may be any bytes."""
    return read_process_file(process, "comm").removesuffix(b"\n")


def read_start_time(process: int) -> int:
    """Return when the process started, in clock ticks after boot."""
    return parse_start_time(read_process_file(process, "stat"))


def parse_start_time(stat: bytes) -> int:
    """Return the 22nd field of a *stat* file; the second may hold any bytes."""
    return int(stat.rpartition(b")")[2].split()[19])


def read_credentials(process: int) -> Credentials:
    """
    Return the credentials of the process's first thread.

    The root user of a user namespace that any user may make has every capability
    there. So a process with CAP_SYS_ADMIN is privileged only if its user namespace is
    the initial one. A process whose namespace this process may not read, for want of
    CAP_SYS_PTRACE, is not privileged. A set-user-ID program inherits the descriptors
    of the user who starts it, and that user can stop it and choose its name.
    """
    uid, has_sys_admin = parse_credentials(read_process_file(process, "status"))
    return Credentials(uid, has_sys_admin and _is_in_initial_user_namespace(process))


def parse_credentials(status: bytes) -> tuple[int, bool]:
    """
    Return the effective uid, and whether the process has CAP_SYS_ADMIN of its own.

    The capability is its own if the real, the effective and the saved uid are equal.
    """
    ((real, uid, saved),) = re.findall(
        rb"^Uid:\t(\d+)\t(\d+)\t(\d+)\t", status, re.MULTILINE
    )
    (effective,) = re.findall(rb"^CapEff:\t([0-9a-f]+)$", status, re.MULTILINE)
    has_sys_admin = bool(int(effective, 16) >> CAP_SYS_ADMIN & 1)
    return int(uid), has_sys_admin and real == uid == saved


def _is_in_initial_user_namespace(process: int) -> bool:
    try:
        return os.readlink("ns/user", dir_fd=process) == INITIAL_USER_NAMESPACE
    except PermissionError:
        return False


def read_process_file(process: int, name: str) -> bytes:
    """Return the content of the file *name* below the folder of *process*."""
    with _opened(name, 0, process) as file:
        return b"".join(iter(lambda: os.read(file, CHUNK_BYTES), b""))


def shows_our_pids(proc: Path = PROC) -> bool:
    """
    Return whether *proc* belongs to the pid namespace of this process.

    The procfs of another pid namespace has two or more pids for this process, or none.
    """
    try:
        status = (proc / "self/status").read_text()
    except FileNotFoundError:
        return False
    return parse_pid_numbers(status) == [os.getpid()]


def parse_pid_numbers(status: str) -> list[int]:
    """
    Return the pids in a *status* file, one for each pid namespace of the process.

    The first pid belongs to the namespace of the procfs, the last to the innermost
    namespace of the process. Kernels without pid namespaces have a Pid line only.
    """
    found = re.findall(r"^(?:NSpid|Pid):(.*)$", status, re.MULTILINE)
    return [int(number) for number in found[-1].split()]
