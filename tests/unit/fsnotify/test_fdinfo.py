"""
A group's fdinfo in, counted marks out.

The lines are what Linux 6.18 wrote about groups made for the purpose, but where a
test says otherwise.
"""

from __future__ import annotations

import random
import time
import tracemalloc
from collections.abc import Iterator

import pytest

from fanotify_exporter.fsnotify.fdinfo import parse_fdinfo
from fanotify_exporter.fsnotify.model import Group, Marks
from fanotify_exporter.uapi.fanotify import MASK


HEAD = "pos:\t0\nflags:\t02004002\nmnt_id:\t17\nino:\t1038\n"
GROUP = HEAD + "fanotify flags:7 event-flags:8000\n"
FHANDLE = "fhandle-bytes:8 fhandle-type:1 f_handle:6502000000000000"

INODE = f"fanotify ino:265 sdev:fe00000 mflags:0 mask:20 ignored_mask:0 {FHANDLE}\n"
MOUNT = "fanotify mnt_id:1b mflags:0 mask:10020 ignored_mask:0\n"
FILESYSTEM = "fanotify sdev:fe00000 mflags:0 mask:40000020 ignored_mask:0\n"
MNTNS = "fanotify mnt_ns:4026531832 mflags:0 mask:1000000 ignored_mask:0\n"
EVICTABLE = (
    f"fanotify ino:264 sdev:fe00000 mflags:200 mask:20 ignored_mask:0 {FHANDLE}\n"
)
IGNORED = f"fanotify ino:14d sdev:fe00000 mflags:40 mask:0 ignored_mask:2 {FHANDLE}\n"
IGNORE = f"fanotify ino:265 sdev:fe00000 mflags:440 mask:0 ignored_mask:2 {FHANDLE}\n"
NO_HANDLE = "fanotify ino:265 sdev:fe00000 mflags:0 mask:20 ignored_mask:0 \n"
"""The kernel cannot encode a file handle."""


def parse(text: str) -> Group | None:
    return parse_fdinfo([text.encode()])


@pytest.mark.parametrize(
    ("line", "mark_type", "blocking"),
    [
        (INODE, "inode", False),
        (MOUNT, "mount", True),
        (FILESYSTEM, "filesystem", False),
        (MNTNS, "mntns", False),
        (EVICTABLE, "inode", False),
        (IGNORED, "inode", False),
        (IGNORE, "inode", False),
        (NO_HANDLE, "inode", False),
        # Proposed on linux-fsdevel in 2026; made up from the patch.
        ("fanotify mnt_ns_id:8 mflags:0 mask:1000000 ignored_mask:0\n", "mntns", False),
        # A type and a field that no kernel has yet.
        ("fanotify user_ns_id:9 mflags:0 mask:20 ignored_mask:0\n", "unknown", False),
        ("fanotify user_ns_id:9 mflags:0 mask:10000 ignored_mask:0\n", "unknown", True),
        ("fanotify mnt_id:1b new:7 mflags:0 mask:10000\n", "mount", True),
    ],
)
def test_mark(line: str, mark_type: str, blocking: bool) -> None:  # noqa: FBT001
    """Each line is one mark, of the type that its first key tells."""
    expected = Group(7, (Marks(mark_type, blocking, 1),))
    assert expected == parse(GROUP + line)


@pytest.mark.parametrize(("bit", "name"), MASK.items())
def test_blocking(bit: int, name: str) -> None:
    """A mark blocks if its mask has a permission event, and for no other bit."""
    line = f"fanotify mnt_id:1b mflags:0 mask:{bit:x} ignored_mask:0\n"
    blocks = name.endswith("_PERM") or name == "FAN_PRE_ACCESS"
    assert Group(7, (Marks("mount", blocks, 1),)) == parse(GROUP + line)


def test_ignored_permission_does_not_block() -> None:
    """A permission event that is only ignored makes nobody wait."""
    line = "fanotify mnt_id:1b mflags:40 mask:0 ignored_mask:10000\n"
    assert Group(7, (Marks("mount", blocking=False, count=1),)) == parse(GROUP + line)


def test_marks_are_counted_by_kind() -> None:
    """Marks of one kind are one sample with their number."""
    text = GROUP + INODE * 5 + MOUNT * 3 + INODE * 2 + FILESYSTEM + IGNORED
    assert Group(
        7,
        (
            Marks("filesystem", blocking=False, count=1),
            Marks("inode", blocking=False, count=8),
            Marks("mount", blocking=True, count=3),
        ),
    ) == parse(text)


def test_group_without_marks() -> None:
    """A group that marks nothing is a group."""
    assert Group(7, ()) == parse(GROUP)


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEAD,
        HEAD + "inotify wd:1 ino:265 sdev:fe00000 mask:20 ignored_mask:0 \n",
        HEAD + "eventfd-count: 0\neventfd-id: 5\n",
        HEAD + INODE,
    ],
)
def test_no_group(text: str) -> None:
    """What does not have the group's own line is no group's."""
    assert parse(text) is None


@pytest.mark.parametrize(
    "line",
    [
        "fanotify \n",
        "fanotify ino\n",
        "fanotify ino:\n",
        "fanotify ino:265 sdev:fe00000 mflags:0\n",
        "fanotify ino:265 sdev:fe00000 mflags:0 mask: ignored_mask:0\n",
        "fanotify ino:265 sdev:fe00000 mflags:0 mask:-20 ignored_mask:0\n",
        "fanotify mnt_id:1b mflags:0 mask:xyz ignored_mask:0\n",
        "fanotify mnt_id=1b mask:20\n",
        "fanotify :1b mask:20\n",
        "fanotify mnt_id:1b mflags:0 ignored_mask:20\n",
        "fanotify \xff\x00:1b\n",
    ],
)
def test_broken_line(line: str) -> None:
    """A line that cannot be read is still some mark, and spoils no other line."""
    expected = (
        Marks("mount", blocking=True, count=2),
        Marks("unknown", blocking=False, count=1),
    )
    assert Group(7, expected) == parse(GROUP + MOUNT + line + MOUNT)


def test_last_line_cut_short() -> None:
    """A line without its end counts as far as it can be read."""
    assert Group(7, (Marks("mount", blocking=True, count=1),)) == parse(
        GROUP + MOUNT.rstrip()
    )


def test_lines_of_others() -> None:
    """Only lines that begin with fanotify are its."""
    text = GROUP + "lock:\t1: FLOCK fanotify mnt_id:1b mask:20\n x fanotify sdev:1\n"
    assert Group(7, ()) == parse(text)


def test_any_bytes_are_parsed() -> None:
    """No text whatever raises: random changes of a good one give a group or None."""
    chance = random.Random(4)
    good = (GROUP + INODE + MOUNT + FILESYSTEM + MNTNS).encode()
    for _ in range(2000):
        text = bytearray(good)
        for _ in range(chance.randrange(1, 9)):
            text[chance.randrange(len(text))] = chance.randrange(256)
        group = parse_fdinfo([bytes(text)])
        assert group is None or sum(marks.count for marks in group.marks) <= 8


@pytest.mark.parametrize("flags", [0x10, 0x30, 0x20])
def test_limited_marks(flags: int) -> None:
    """Marks of a group with FAN_UNLIMITED_MARKS do not count against the limit."""
    text = f"fanotify flags:{flags:x} event-flags:8000\n" + INODE * 3 + MOUNT
    group = parse(text)
    assert group
    assert (0 if flags & 0x20 else 4) == group.limited_marks


TEN_MEGABYTES = 10_000_000


def huge() -> Iterator[bytes]:
    """Yield an fdinfo of more than 10 MB as read_fdinfo() does, in 64 kB chunks."""
    yield GROUP.encode()
    chunk = (INODE * 499 + MOUNT).encode()
    for _ in range(TEN_MEGABYTES // len(chunk) + 1):
        yield chunk


def test_ten_megabytes() -> None:
    """Each mark of a huge group is counted, and no more than a few chunks are held."""
    chunks = sum(1 for _ in huge()) - 1
    tracemalloc.start()
    group = parse_fdinfo(huge())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert (
        Group(
            7,
            (
                Marks("inode", blocking=False, count=499 * chunks),
                Marks("mount", blocking=True, count=chunks),
            ),
        )
        == group
    )
    assert peak < 1_000_000


def test_one_chunk_takes_a_few_milliseconds() -> None:
    """What is parsed without letting another thread run is no more than one chunk."""
    slowest = float("inf")
    for _ in range(20):  # the best of many: others use this machine too
        started = time.thread_time()
        parse_fdinfo([GROUP.encode(), (INODE * 499 + MOUNT).encode()])
        slowest = min(slowest, time.thread_time() - started)
    assert slowest < 0.005
