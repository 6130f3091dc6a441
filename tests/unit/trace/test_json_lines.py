"""JSON objects about calls, with the keys of docs/trace.md."""

from __future__ import annotations

import errno
import json

import pytest

from fanotify_exporter.bpf.call_records import parse
from fanotify_exporter.trace.json_lines import line
from fanotify_exporter.trace.shown import ShownCall
from tools.harness.call_records import make_record


UNIX_NS = 1_795_888_999_123_456_789
BEGIN = {
    "time": "2026-11-28T18:03:19.123456Z",
    "pid": 1234,
    "tid": 1240,
    "uid": 0,
    "comm": "fatrace",
}


def read(record: memoryview, **more: str | tuple[str, str] | None) -> dict[str, object]:
    text = line(ShownCall(parse(record), UNIX_NS, **more))  # type: ignore[arg-type]
    assert "\n" not in text
    found: dict[str, object] = json.loads(text)
    return found


@pytest.mark.parametrize(
    ("record", "keys"),
    [
        (
            make_record(flags=0x101, mask=1 << 63 | 0x20, pathname=b"/home"),
            {
                "syscall": "fanotify_mark",
                "fanotify_fd": 3,
                "flags": "FAN_MARK_ADD|FAN_MARK_FILESYSTEM",
                "flags_value": 0x101,
                "mask": "FAN_OPEN|0x8000000000000000",
                "mask_value": 1 << 63 | 0x20,
                "dirfd": -100,
                "pathname": "/home",
                "result": 0,
                "errno": None,
            },
        ),
        (
            make_record("fanotify_init", flags=0x4, mask=0x8000, result=-errno.EPERM),
            {
                "syscall": "fanotify_init",
                "flags": "FAN_CLASS_CONTENT",
                "flags_value": 4,
                "event_f_flags": "O_RDONLY|O_LARGEFILE",
                "event_f_flags_value": 0x8000,
                "result": -1,
                "errno": "EPERM",
            },
        ),
        (
            make_record("inotify_init1", flags=0x800, result=3),
            {
                "syscall": "inotify_init1",
                "flags": "IN_NONBLOCK",
                "flags_value": 0x800,
                "result": 3,
                "errno": None,
            },
        ),
        (
            make_record("inotify_init", result=3),
            {"syscall": "inotify_init", "result": 3, "errno": None},
        ),
        (
            make_record("inotify_add_watch", mask=2, pathname=b"/etc", result=7),
            {
                "syscall": "inotify_add_watch",
                "inotify_fd": 3,
                "pathname": "/etc",
                "mask": "IN_MODIFY",
                "mask_value": 2,
                "wd": 7,
                "result": 7,
                "errno": None,
            },
        ),
    ],
    ids=lambda value: value.get("syscall") if isinstance(value, dict) else "",
)
def test_keys(record: memoryview, keys: dict[str, object]) -> None:
    """Each call has the keys of its arguments."""
    assert BEGIN | keys == read(record)


def test_paths() -> None:
    """NULL, a path that cannot be read, a cut path and hostile bytes differ."""
    assert "pathname_error" not in read(make_record())
    unreadable = read(make_record(pathname_error=errno.EFAULT))
    assert (None, "EFAULT") == (unreadable["pathname"], unreadable["pathname_error"])
    cut = read(make_record(pathname=b"y" * 300))
    assert ("y" * 256, True) == (cut["pathname"], cut["pathname_cut"])
    whole = read(make_record(pathname=b'a"\n\xff\xc3\xa9'))
    assert 'a"\\x0a\\xffé' == whole["pathname"]
    assert "pathname_cut" not in whole


def test_more_keys() -> None:
    """The container and the files of descriptors have keys of their own."""
    found = read(
        make_record(),
        cgroup=("/a", "b"),
        fd_path="anon_inode:[fanotify]",
        dirfd_path="/home",
    )
    assert ("/a", "b") == (found["cgroup"], found["container_id"])
    assert "anon_inode:[fanotify]" == found["fanotify_fd_path"]
    assert "/home" == found["dirfd_path"]


def test_failed_watch() -> None:
    """A watch that was refused has no number."""
    found = read(make_record("inotify_add_watch", result=-errno.ENOSPC))
    assert (-1, "ENOSPC", None) == (found["result"], found["errno"], found["wd"])
