r"""
Mounts from mountinfo.

The lines of the fixture are of Linux 6.18, with other paths and devices.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from fanotify_exporter.procfs.mountinfo import (
    MAX_LINE_BYTES,
    Mount,
    parse_mount,
    read_mounts,
)
from tools.harness.golden import PROC


LINE = b"36 35 98:0 / /mnt/a rw,noatime shared:1 master:7 - ext3 /dev/sda rw,errors=x\n"
MOUNT = Mount(36, 35, 98 << 20, b"ext3", b"/mnt/a")


def test_fixture() -> None:
    """Each line of a real file is a mount, whatever optional fields the line has."""
    mounts = {mount.mount_point: mount for mount in read_mounts(PROC)}
    assert 13 - 1 == len(mounts)  # two mounts are on /dev/shm
    assert Mount(27, 1, 0xFE00000, b"ext4", b"/") == mounts[b"/"]
    assert Mount(41, 27, 0x800011, b"ext4", b"/home") == mounts[b"/home"]
    assert 0xFE00000 == mounts[b"/mnt/data"].device
    assert 40 == mounts[b"/srv"].device == mounts[b"/var/lib/one"].device
    assert Mount(70, 41, 45, b"fuse", b"/home/ann/my photos") == mounts.get(
        b"/home/ann/my photos"
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b" shared:1 master:7", b""),
        (b" shared:1", b" shared:1 propagate_from:5 unbindable new"),
        (b"rw,errors=x\n", b"rw"),
        (b"ext3", b"ext3.x.y"),
        (b"/dev/sda", b"a - b"),
        (b" / ", b" /with\\040-\\040in "),
    ],
)
def test_forms(old: bytes, new: bytes) -> None:
    """Optional fields, the subtype, the source and the root make no other mount."""
    line = LINE.replace(old, new, 1)
    assert line != LINE
    assert MOUNT == parse_mount(line)


@pytest.mark.parametrize(
    ("escaped", "path"),
    [
        (rb"/a\040b", b"/a b"),
        (rb"/a\011\012\134\043", b"/a\t\n\\#"),
        (rb"/a\134040", rb"/a\040"),
        (rb"/a\400\9\04", rb"/a\400\9\04"),
        (b"/\xff\xfe\xe2\x80\xae", b"/\xff\xfe\xe2\x80\xae"),
        (rb"/old//deleted", b"/old//deleted"),
    ],
)
def test_mount_point(escaped: bytes, path: bytes) -> None:
    """Escapes of the kernel are decoded once; all other bytes stay."""
    mount = parse_mount(LINE.replace(b"/mnt/a", escaped))
    assert mount
    assert path == mount.mount_point


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b" - \n",
        b"36 35 98:0 / /mnt/a rw - \n",
        b"36 35 98:0 / /mnt/a rw ext3 /dev/sda rw\n",
        b"36 35 98:0 / - ext3 /dev/sda rw\n",
        b"x 35 98:0 / /mnt/a rw - ext3 /dev/sda rw\n",
        b"36 35 98 / /mnt/a rw - ext3 /dev/sda rw\n",
        b"36 -1 98:0 / /mnt/a rw - ext3 /dev/sda rw\n",
        b"99999999999 35 98:0 / /mnt/a rw - ext3 /dev/sda rw\n",
        b"36 35 98:0 / /mnt/a rw  shared:1 - ext3 /dev/sda rw\n",
    ],
)
def test_broken_line(line: bytes) -> None:
    """A line of another form is no mount."""
    assert parse_mount(line) is None


def test_any_bytes_are_parsed() -> None:
    """Random changes of a valid line give a mount or None, and never an error."""
    chance = random.Random(15)
    for _ in range(5000):
        line = bytearray(LINE)
        for _ in range(chance.randrange(1, 6)):
            line[chance.randrange(len(line))] = chance.randrange(256)
        parse_mount(bytes(line))


def test_long_line(tmp_path: Path) -> None:
    """A line of any length is one mount, and the lines around it are mounts."""
    (tmp_path / "7").mkdir()
    options = b"x 36 35 98:0 / / rw - ext3 y rw" * MAX_LINE_BYTES
    long = LINE.replace(b"errors=x", options.replace(b" ", b"\\040"))
    (tmp_path / "7/mountinfo").write_bytes(LINE + long + LINE)
    assert [MOUNT] * 3 == list(read_mounts(tmp_path, 7))


def test_no_process(tmp_path: Path) -> None:
    """Without the process there is an error, and no empty list."""
    with pytest.raises(FileNotFoundError):
        list(read_mounts(tmp_path))
