"""
Marks of a group, counted from fdinfo.

Linux 6.18 wrote the lines, unless a comment names another source.
"""

from __future__ import annotations

import random
import time
import tracemalloc
from collections.abc import Iterator

import pytest

from fanotify_exporter.fsnotify.fdinfo import MAX_WIDE_MARKS, parse_fdinfo
from fanotify_exporter.fsnotify.model import NO_WIDE_MARKS, Group, Marks, WideMarks
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
# The filesystem has no file handles.
NO_HANDLE = "fanotify ino:265 sdev:fe00000 mflags:0 mask:20 ignored_mask:0 \n"


def parse(text: str, *, is_privileged: bool = False) -> Group | None:
    return parse_fdinfo([text.encode()], is_privileged=is_privileged)


def parse_marks(text: str) -> tuple[Marks, ...]:
    group = parse(text)
    assert group
    assert group.flags == 7
    return group.marks


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
        # Proposed on linux-fsdevel in 2026; written after the patch.
        ("fanotify mnt_ns_id:8 mflags:0 mask:1000000 ignored_mask:0\n", "mntns", False),
        # A type and a field that no kernel has yet.
        ("fanotify user_ns_id:9 mflags:0 mask:20 ignored_mask:0\n", "unknown", False),
        ("fanotify user_ns_id:9 mflags:0 mask:10000 ignored_mask:0\n", "unknown", True),
        ("fanotify mnt_id:1b new:7 mflags:0 mask:10000\n", "mount", True),
    ],
)
def test_mark(line: str, mark_type: str, blocking: bool) -> None:  # noqa: FBT001
    """Each line is one mark, whose type follows from the first key."""
    assert (Marks(mark_type, blocking, 1),) == parse_marks(GROUP + line)


@pytest.mark.parametrize(("bit", "name"), MASK.items())
def test_blocking(bit: int, name: str) -> None:
    """A mark blocks if and only if its mask has a permission event."""
    line = f"fanotify mnt_id:1b mflags:0 mask:{bit:x} ignored_mask:0\n"
    blocks = name.endswith("_PERM") or name == "FAN_PRE_ACCESS"
    assert (Marks("mount", blocks, 1),) == parse_marks(GROUP + line)


def test_ignored_permission_does_not_block() -> None:
    """A permission event in the ignored mask does not make a mark block."""
    line = "fanotify mnt_id:1b mflags:40 mask:0 ignored_mask:10000\n"
    assert (Marks("mount", blocking=False, count=1),) == parse_marks(GROUP + line)


def test_marks_are_counted_by_kind() -> None:
    """Marks of the same type and blocking are one entry with their number."""
    text = GROUP + INODE * 5 + MOUNT * 3 + INODE * 2 + FILESYSTEM + IGNORED
    assert (
        Marks("filesystem", blocking=False, count=1),
        Marks("inode", blocking=False, count=8),
        Marks("mount", blocking=True, count=3),
    ) == parse_marks(text)


def test_group_without_marks() -> None:
    """A group without marks is a group."""
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
    """An fdinfo without the line of a group is not a group's."""
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
    """A line that cannot be parsed is a mark of unknown type; other lines count."""
    expected = (
        Marks("mount", blocking=True, count=2),
        Marks("unknown", blocking=False, count=1),
    )
    assert expected == parse_marks(GROUP + MOUNT + line + MOUNT)


def test_last_line_cut_short() -> None:
    """A last line without a line end counts."""
    assert (Marks("mount", blocking=True, count=1),) == parse_marks(
        GROUP + MOUNT.rstrip()
    )


def test_other_lines() -> None:
    """Only lines that begin with "fanotify" count."""
    text = GROUP + "lock:\t1: FLOCK fanotify mnt_id:1b mask:20\n x fanotify sdev:1\n"
    assert Group(7, ()) == parse(text)


def test_any_bytes_are_parsed() -> None:
    """Random changes of a valid text give a group or None, and never an error."""
    chance = random.Random(4)
    good = (GROUP + INODE + MOUNT + FILESYSTEM + MNTNS).encode()
    for _ in range(2000):
        text = bytearray(good)
        for _ in range(chance.randrange(1, 9)):
            text[chance.randrange(len(text))] = chance.randrange(256)
        group = parse_fdinfo([bytes(text)])
        assert group is None or sum(marks.count for marks in group.marks) <= 8


NOTIFICATION = HEAD + "fanotify flags:203 event-flags:8000\n"


def wide(
    text: str, *, is_privileged: bool = False
) -> tuple[set[int], set[int], set[int], set[int]]:
    """Return the mounts and devices of all marks, and of marks that block."""
    group = parse(text, is_privileged=is_privileged)
    assert group
    every, blocking = group.wide_marks, group.blocking_wide_marks
    return (
        *(set(every.mounts), set(every.devices)),
        *(set(blocking.mounts), set(blocking.devices)),
    )


def test_wide_marks() -> None:
    """Mounts and devices of marks are kept, and again those of marks that block."""
    text = GROUP + INODE + MOUNT * 2 + FILESYSTEM + MNTNS
    text += "fanotify mnt_id:7fffffff mflags:200 mask:20 ignored_mask:0\n"
    text += "fanotify sdev:fff00001 mflags:0 mask:10000 ignored_mask:0\n"
    assert (
        {0x1B, 0x7FFFFFFF},
        {0xFE00000, 0xFFF00001},
        {0x1B},
        {0xFFF00001},
    ) == wide(text)


@pytest.mark.parametrize(
    "line",
    [
        # A mark that only ignores events, with FAN_ONDIR and without.
        "fanotify mnt_id:1b mflags:40 mask:0 ignored_mask:2\n",
        "fanotify mnt_id:1b mflags:40 mask:48000000 ignored_mask:2\n",
        "fanotify mnt_id:123456789 mflags:0 mask:20 ignored_mask:0\n",
        "fanotify mnt_id: mflags:0 mask:20 ignored_mask:0\n",
        "fanotify sdev:xyz mflags:0 mask:20 ignored_mask:0\n",
        "fanotify sdev:1\n",
        INODE,
        MNTNS,
    ],
)
def test_no_wide_mark(line: str) -> None:
    """A mark without events, or with another line, is on no mount and no filesystem."""
    group = parse(GROUP + line)
    assert group
    assert NO_WIDE_MARKS == group.wide_marks == group.blocking_wide_marks
    assert 1 == sum(marks.count for marks in group.marks)


def test_wide_marks_of_an_ordinary_user() -> None:
    """Wide marks that any user may make are not kept; those that block always are."""
    text = NOTIFICATION + MOUNT.replace("10020", "20") + FILESYSTEM
    assert (set(), set(), set(), set()) == wide(text)
    assert ({0x1B}, {0xFE00000}, set(), set()) == wide(text, is_privileged=True)
    assert ({0x1B}, set(), {0x1B}, set()) == wide(GROUP + MOUNT)


def test_wide_marks_are_bounded() -> None:
    """The first MAX_WIDE_MARKS mounts are kept; all marks count."""
    number = MAX_WIDE_MARKS + 5
    lines = [MOUNT.replace("1b", f"{each:x}") for each in range(1, number + 1)]
    group = parse_fdinfo([GROUP.encode(), *(line.encode() for line in lines)])
    assert group
    every = frozenset(range(1, MAX_WIDE_MARKS + 1))
    assert WideMarks(every) == group.wide_marks
    assert group.blocking_wide_marks is group.wide_marks
    assert (Marks("mount", blocking=True, count=number),) == group.marks


HUGE_BYTES = 1_000_000


def huge() -> Iterator[bytes]:
    """Yield an fdinfo of more than 1 MB as read_fdinfo() does, in 64 kB chunks."""
    yield GROUP.encode()
    chunk = (INODE * 499 + MOUNT).encode()
    for _ in range(HUGE_BYTES // len(chunk) + 1):
        yield chunk


def test_huge_group() -> None:
    """Each mark of a huge group is counted, with a few chunks in memory at a time."""
    chunks = sum(1 for _ in huge()) - 1
    tracemalloc.start()
    group = parse_fdinfo(huge())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert group
    assert (
        Marks("inode", blocking=False, count=499 * chunks),
        Marks("mount", blocking=True, count=chunks),
    ) == group.marks
    assert peak < 400_000


def test_one_chunk_takes_a_few_milliseconds() -> None:
    """Parsing a chunk takes less than the GIL's switch interval of 5 ms."""
    slowest = float("inf")
    for _ in range(20):  # the best of many: other programs use this machine too
        started = time.thread_time()
        parse_fdinfo([GROUP.encode(), (INODE * 499 + MOUNT).encode()])
        slowest = min(slowest, time.thread_time() - started)
    assert slowest < 0.005
