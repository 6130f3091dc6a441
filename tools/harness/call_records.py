"""Records of calls as bpf/trace/record.bpf.c sends them."""

from __future__ import annotations

from fanotify_exporter.bpf.call_records import CALLS, HEADER, PATHNAME_BYTES


# struct record has 258 bytes of a path, and its size is a multiple of 8.
RECORD_BYTES = 336
NUMBERS = {name: number for number, name in CALLS.items()}


def make_record(
    syscall: str = "fanotify_mark",
    *,
    time_ns: int = 1_000_000,
    mask: int = 0,
    cgroup: int = 1,
    pid: int = 1234,
    tid: int = 1240,
    uid: int = 0,
    result: int = 0,
    flags: int = 0,
    fd: int = 3,
    dirfd: int = -100,
    comm: bytes = b"fatrace",
    pathname: bytes | None = None,
    pathname_error: int = 0,
) -> memoryview:
    """Return a record of a call; *pathname* may be longer than a record holds."""
    length = -pathname_error
    if pathname is not None:
        length = min(len(pathname), PATHNAME_BYTES + 1) + 1
    header = HEADER.pack(
        *(time_ns, mask, cgroup, pid, tid, uid, result, NUMBERS[syscall]),
        *(flags, fd, dirfd, length, comm),
    )
    record = header + (pathname or b"")[:PATHNAME_BYTES] + b"\0"
    return memoryview(record.ljust(RECORD_BYTES, b"\xff"))
