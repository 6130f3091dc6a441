"""Everything that is read from /proc."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


PROC = Path("/proc")
CHUNK_BYTES = 65_536


def read_program_misses(fd: int, proc: Path = Path("/proc")) -> int:
    """
    Return how often the kernel skipped the BPF program behind our own *fd*.

    It skips a program that is already running on the same CPU, for a task that
    was preempted in it (recursion_misses, Linux 5.12; counted for tracepoints
    and kprobes since 6.7). Kernels without the figure give 0.
    """
    return parse_program_misses((proc / f"self/fdinfo/{fd}").read_text())


def parse_program_misses(fdinfo: str) -> int:
    """Return the recursion_misses of a bpf-prog descriptor's *fdinfo*, or 0."""
    found = re.search(r"^recursion_misses:\s*(\d+)$", fdinfo, re.MULTILINE)
    return int(found[1]) if found else 0


CAPABILITIES = {
    1: "CAP_DAC_OVERRIDE",
    2: "CAP_DAC_READ_SEARCH",
    19: "CAP_SYS_PTRACE",
    21: "CAP_SYS_ADMIN",
    24: "CAP_SYS_RESOURCE",
    38: "CAP_PERFMON",
    39: "CAP_BPF",
}
"""include/uapi/linux/capability.h: those that this exporter has a use for."""


def read_capabilities(proc: Path = Path("/proc")) -> frozenset[str]:
    """Return which of CAPABILITIES this process has in effect."""
    return parse_capabilities((proc / "self/status").read_text())


def parse_capabilities(status: str) -> frozenset[str]:
    """Return which of CAPABILITIES the CapEff of a *status* file has."""
    effective = int(re.findall(r"^CapEff:\s*(\w+)$", status, re.MULTILINE)[0], 16)
    return frozenset(name for bit, name in CAPABILITIES.items() if effective >> bit & 1)


def read_mounted(filesystem: str, proc: Path = Path("/proc")) -> list[str]:
    """Return where *filesystem* ("tracefs") is mounted, as this process sees it."""
    return parse_mounted(filesystem, (proc / "self/mounts").read_text())


def parse_mounted(filesystem: str, mounts: str) -> list[str]:
    """Return the mount points of *filesystem* in the text of a mounts file."""
    lines = (line.split() for line in mounts.splitlines())
    return [fields[1] for fields in lines if fields[2:3] == [filesystem]]


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
    Open a process's folder, for the functions that take a *process*.

    All that is read through it is of one process, also when its id is given to
    another meanwhile. Once the process is gone they raise ProcessLookupError or
    FileNotFoundError.
    """
    with _opened(proc / str(pid), os.O_DIRECTORY, None) as process:
        yield process


def read_links(
    process: int, fds: Iterable[int] | None = None
) -> Iterator[tuple[int, str]]:
    """
    Yield each descriptor of *process*, or of *fds* those that it has, and its link.

    The links are not followed: that could wait for a server that is away.

    Raises:
        PermissionError: to list takes CAP_DAC_READ_SEARCH for another user's
            process, to read a link CAP_SYS_PTRACE too.
    """
    with _opened("fd", os.O_DIRECTORY, process) as folder:
        for name in os.listdir(folder) if fds is None else map(str, fds):  # noqa: PTH208
            with suppress(FileNotFoundError):  # closed while we looked
                yield int(name), os.readlink(name, dir_fd=folder)


def read_fdinfo(process: int, fd: int) -> Iterator[bytes]:
    """
    Yield the fdinfo of a descriptor, in chunks of whole lines.

    The kernel makes the whole text before the first, and takes about 3 us a mark.

    Raises:
        PermissionError: it takes CAP_SYS_PTRACE for another user's process.
    """
    with _opened(f"fdinfo/{fd}", 0, process) as file:
        rest = b""
        while read := os.read(file, CHUNK_BYTES):
            lines, newline, rest = (rest + read).rpartition(b"\n")
            yield lines + newline
    if rest:
        yield rest


def read_process_comm(process: int) -> bytes:
    """Return the name of the process's first thread, any bytes."""
    return _read(process, "comm").removesuffix(b"\n")


def read_start_time(process: int) -> int:
    """Return when the process started, in clock ticks after the boot."""
    return parse_start_time(_read(process, "stat"))


def parse_start_time(stat: bytes) -> int:
    """Return the 22nd field of a *stat* file; the second may hold any bytes."""
    return int(stat.rpartition(b")")[2].split()[19])


def read_effective_uid(process: int) -> int:
    """Return the process's effective user id, in our user namespace."""
    return parse_effective_uid(_read(process, "status"))


def parse_effective_uid(status: bytes) -> int:
    """Return the second number of a *status* file's Uid line."""
    return int(re.findall(rb"^Uid:\t\d+\t(\d+)\t", status, re.MULTILINE)[0])


def _read(process: int, name: str) -> bytes:
    with _opened(name, 0, process) as file:
        return b"".join(iter(lambda: os.read(file, CHUNK_BYTES), b""))


def shows_our_pids(proc: Path = PROC) -> bool:
    """
    Return whether *proc* numbers processes as our own system calls do.

    Another pid namespace's procfs gives this process a second number, or none.
    """
    try:
        status = (proc / "self/status").read_text()
    except FileNotFoundError:
        return False
    return parse_pid_numbers(status) == [os.getpid()]


def parse_pid_numbers(status: str) -> list[int]:
    """
    Return a process's ids in the namespaces from the procfs's own to its own.

    Kernels without pid namespaces have no NSpid line: the id is in Pid.
    """
    found = re.findall(r"^(?:NSpid|Pid):(.*)$", status, re.MULTILINE)
    return [int(number) for number in found[-1].split()]


def read_fanotify_limit(name: str, proc: Path = PROC) -> int | None:
    """
    Return a number of sys/fs/fanotify; None if this kernel has no such file.

    Raises:
        ValueError: the file holds something else.
    """
    path = proc / "sys/fs/fanotify" / name
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        return None
    if not text.isdecimal():
        raise ValueError(f"{path} holds {text!r}, which is no number")
    return int(text)
