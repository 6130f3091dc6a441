"""Records of single calls, as bpf/trace/record.bpf.c sends them."""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, NamedTuple


# enum syscall of bpf/calls/calls.h; the names are those of the calls.
CALLS: Final = {
    0: "fanotify_mark",
    1: "fanotify_init",
    2: "inotify_init1",
    3: "inotify_add_watch",
    5: "inotify_init",
}

# Bytes of the ring buffer: 12,000 records.
RING_BYTES: Final = 4 * 1024 * 1024

# struct record up to its pathname, and the bytes of a path that a record holds.
HEADER: Final = struct.Struct("=QQQIIIiIIiii16s")
PATHNAME_BYTES: Final = 256

# Bytes of the ring buffer that a record takes, with its header.
RECORD_SPACE: Final = 8 + (HEADER.size + PATHNAME_BYTES + 2 + 7) // 8 * 8

# struct filter, and the bits of enum filter_member.
FILTER: Final = struct.Struct("=16sIIII")
_COMM, _UID, _ERROR, _FAILED = 1, 2, 4, 8


@dataclass(frozen=True, slots=True)
class Filter:
    """
    The properties of the calls that are sent. A member that is None excludes no call.

    Attributes:
        syscalls: values of CALLS.
        comm: the thread name, at most 15 bytes.
        uid: the real user id.
        error: the errno.
        failed: whether the call must have failed.
    """

    syscalls: Collection[str] = tuple(CALLS.values())
    comm: bytes | None = None
    uid: int | None = None
    error: int | None = None
    failed: bool = False

    @property
    def is_narrow(self) -> bool:
        """
        Return whether a program may run for calls that the filter leaves out.

        The two calls that make inotify instances are one call for the loader.
        """
        of_inotify = {"inotify_init", "inotify_init1"} & {*self.syscalls}
        callers = (self.comm, self.uid, self.error)
        return self.failed or callers != (None, None, None) or len(of_inotify) == 1

    def pack(self) -> bytes:
        """Return struct filter."""
        wanted = (
            (self.comm is not None, _COMM),
            (self.uid is not None, _UID),
            (self.error is not None, _ERROR),
            (self.failed, _FAILED),
        )
        return FILTER.pack(
            self.comm or b"",
            sum(bit for is_wanted, bit in wanted if is_wanted),
            sum(1 << number for number, name in CALLS.items() if name in self.syscalls),
            self.uid or 0,
            self.error or 0,
        )


class Call(NamedTuple):
    """
    One call that has returned.

    Attributes:
        boot_ns: the time of the return by CLOCK_BOOTTIME.
        mask: of fanotify_init(2) the event_f_flags.
        cgroup: id in the cgroup v2 hierarchy.
        result: as the kernel returns it: an errno below 0 for a failed call.
        fd: of the fanotify group or the inotify instance.
        pathname: the bytes of the path, None if the caller passed NULL or the path
            cannot be read.
        pathname_error: the errno of reading the path, 0 without.
        is_cut: whether the path is longer than *pathname*.
    """

    boot_ns: int
    mask: int
    cgroup: int
    pid: int
    tid: int
    uid: int
    result: int
    syscall: str
    flags: int
    fd: int
    dirfd: int
    comm: bytes
    pathname: bytes | None
    pathname_error: int
    is_cut: bool


def parse(record: memoryview) -> Call:
    """Return the call of a *record*."""
    *first, syscall, flags, fd, dirfd, length, comm = HEADER.unpack_from(record)
    boot_ns, mask, cgroup, pid, tid, uid, result = first
    pathname = None
    if length > 0:
        rest = record[HEADER.size :]
        pathname = bytes(rest[: min(length - 1, PATHNAME_BYTES)])
    return Call(
        *(boot_ns, mask, cgroup, pid, tid, uid, result, CALLS[syscall], flags, fd),
        *(dirfd, comm.partition(b"\0")[0], pathname),
        pathname_error=-min(length, 0),
        is_cut=length > PATHNAME_BYTES + 1,
    )
