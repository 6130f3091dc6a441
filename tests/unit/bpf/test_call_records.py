"""Records of single calls, and the filter of the programs that send them."""

from __future__ import annotations

import errno

import pytest

from fanotify_exporter.bpf.call_records import (
    CALLS,
    FILTER,
    RECORD_SPACE,
    Call,
    Filter,
    parse,
)
from tools.harness.call_records import RECORD_BYTES, make_record


def test_all_members() -> None:
    """Each member of a record is a member of the call."""
    record = make_record(
        "fanotify_mark",
        time_ns=1 << 60,
        mask=1 << 63 | 0x20,
        cgroup=77,
        pid=1234,
        tid=1240,
        uid=65534,
        result=-errno.EBADF,
        flags=0x101,
        fd=-1,
        dirfd=-100,
        comm=b"fatrace\0garbage",
        pathname=b"/home",
    )
    assert parse(record) == Call(
        boot_ns=1 << 60,
        mask=1 << 63 | 0x20,
        cgroup=77,
        pid=1234,
        tid=1240,
        uid=65534,
        result=-errno.EBADF,
        syscall="fanotify_mark",
        flags=0x101,
        fd=-1,
        dirfd=-100,
        comm=b"fatrace",
        pathname=b"/home",
        pathname_error=0,
        is_cut=False,
    )


@pytest.mark.parametrize("syscall", CALLS.values())
def test_calls(syscall: str) -> None:
    """Each call has its own name."""
    assert syscall == parse(make_record(syscall)).syscall


@pytest.mark.parametrize(
    ("length", "kept", "is_cut"),
    [(0, 0, False), (255, 255, False), (256, 256, False), (257, 256, True)],
)
def test_lengths_of_paths(length: int, kept: int, *, is_cut: bool) -> None:
    """A path of up to 256 bytes is whole; of a longer one 256 bytes are left."""
    path = bytes(range(1, 256)) + b"yz"
    call = parse(make_record(pathname=path[:length]))
    assert (path[:kept], is_cut, 0) == (call.pathname, call.is_cut, call.pathname_error)


def test_no_path() -> None:
    """NULL is no path and no error; an address that cannot be read is an error."""
    call = parse(make_record())
    assert (None, 0, False) == (call.pathname, call.pathname_error, call.is_cut)
    call = parse(make_record(pathname_error=errno.EFAULT))
    assert (None, errno.EFAULT) == (call.pathname, call.pathname_error)
    assert not call.is_cut


@pytest.mark.parametrize(
    ("wanted", "members"),
    [
        (Filter(), (b"", 0, 0b101111, 0, 0)),
        (Filter(comm=b"fatrace"), (b"fatrace", 1, 0b101111, 0, 0)),
        (Filter(uid=0), (b"", 2, 0b101111, 0, 0)),
        (Filter(uid=65534, error=28), (b"", 6, 0b101111, 65534, 28)),
        (Filter(failed=True), (b"", 8, 0b101111, 0, 0)),
        (Filter(("inotify_init",)), (b"", 0, 0b100000, 0, 0)),
        (Filter(("fanotify_mark", "fanotify_init")), (b"", 0, 0b11, 0, 0)),
    ],
)
def test_filter(wanted: Filter, members: tuple[object, ...]) -> None:
    """Only what is wanted has its bit."""
    comm, *others = FILTER.unpack(wanted.pack())
    assert members == (comm.rstrip(b"\0"), *others)


def test_narrow_filters() -> None:
    """A filter of calls only is not narrow: each program sees one call."""
    assert not Filter().is_narrow
    assert not Filter(("fanotify_mark",)).is_narrow
    for narrow in (
        Filter(comm=b"x"),
        Filter(uid=0),
        Filter(error=1),
        Filter(failed=True),
        Filter(("inotify_init", "fanotify_mark")),
    ):
        assert narrow.is_narrow


def test_space_of_a_record() -> None:
    """A record has a header of 8 bytes in the ring buffer."""
    assert RECORD_SPACE == 8 + RECORD_BYTES == 8 + len(make_record())
