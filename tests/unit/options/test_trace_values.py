"""Values of the flags of ``trace``."""

from __future__ import annotations

import errno
from argparse import ArgumentTypeError

import pytest

from fanotify_exporter.options import values


def test_comm() -> None:
    """A thread name has 1 to 15 bytes of any kind."""
    assert b"fatrace" == values.comm("fatrace")
    assert "é".encode() * 7 == values.comm("é" * 7)
    assert b"\xff" == values.comm("\udcff")
    for bad in ("", "é" * 8, "sixteen-bytes-ab"):
        with pytest.raises(ArgumentTypeError, match="is not from 1 to 15 bytes long"):
            values.comm(bad)


def test_uid() -> None:
    """A user is a number or a name."""
    assert 0 == values.uid("root")
    assert 65534 == values.uid("nobody")
    assert 4_294_967_294 == values.uid("4294967294")
    for bad in ("", "-1", "4294967295", "no such user", "1e3", "٣"):
        with pytest.raises(ArgumentTypeError, match="is no user here"):
            values.uid(bad)


def test_errno() -> None:
    """An error is a symbol of Linux."""
    assert errno.ENOSPC == values.errno("ENOSPC")
    assert 95 == values.errno("EOPNOTSUPP")
    assert 512 == values.errno("ERESTARTSYS")
    assert 95 == values.errno("ENOTSUP")
    assert errno.ENOSPC == values.errno("enospc")
    for bad in ("", "28", "ENOTHING", "E2"):
        with pytest.raises(ArgumentTypeError, match="is no error: use for example"):
            values.errno(bad)


def test_count() -> None:
    """A count is a number from 1."""
    assert 23 == values.count("23")
    for bad in ("", "0", "-1", "1.5", "ten", "1" * 30):
        with pytest.raises(ArgumentTypeError, match="is not a number from 1"):
            values.count(bad)


def test_names() -> None:
    """Names are separated by commas; an unknown name is refused with the known ones."""
    known = ("fanotify_mark", "fanotify_init")
    assert known == values.names("fanotify_mark,fanotify_init", known)
    assert ("fanotify_init",) == values.names("fanotify_init,", known)
    with pytest.raises(ArgumentTypeError, match="'open' is not one of fanotify_mark"):
        values.names("open", known)
    with pytest.raises(ArgumentTypeError, match="no name is given"):
        values.names(",", known)
