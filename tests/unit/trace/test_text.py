"""Lines of text about calls: each call as strace would print it."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator

import pytest

from fanotify_exporter.bpf.call_records import parse
from fanotify_exporter.trace.shown import ShownCall
from fanotify_exporter.trace.text import line
from tools.harness.call_records import make_record


# 2026-11-28 18:03:22.123456 UTC
UNIX_NS = 1_795_888_999_123_456_789


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let local time be UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def show(record: memoryview, **more: str | tuple[str, str] | None) -> str:
    return line(ShownCall(parse(record), UNIX_NS, **more))  # type: ignore[arg-type]


def call_of(record: memoryview, **more: str | tuple[str, str] | None) -> str:
    """Return the line from the name of the call on."""
    text = show(record, **more)
    return text[text.index(" uid=") :].split(maxsplit=1)[1]


def test_whole_line() -> None:
    """A line has the local time, the caller, the user, the call and its result."""
    record = make_record(flags=0x101, mask=0x4000_0020, pathname=b"/home")
    moment = time.strftime("%H:%M:%S", time.gmtime(UNIX_NS // 10**9))
    assert show(record) == (
        f"{moment}.123456 fatrace[1234/1240]       uid=0     "
        "fanotify_mark(3, FAN_MARK_ADD|FAN_MARK_FILESYSTEM, FAN_OPEN|FAN_ONDIR, "
        'AT_FDCWD, "/home") = 0'
    )
    assert " fatrace[7] " in show(make_record(pid=7, tid=7))


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (
            make_record(flags=0x80, fd=-1, dirfd=5, result=-errno.EBADF),
            (
                "fanotify_mark(-1, FAN_MARK_FLUSH, 0, 5, NULL) "
                "= -1 EBADF (Bad file descriptor)"
            ),
        ),
        (
            make_record(flags=1, mask=1 << 63, pathname_error=errno.EFAULT),
            (
                "fanotify_mark(3, FAN_MARK_ADD, 0x8000000000000000, AT_FDCWD, "
                "(not readable: EFAULT)) = 0"
            ),
        ),
        (
            make_record("fanotify_init", flags=0x2, mask=0x8001, result=4),
            "fanotify_init(FAN_CLASS_NOTIF|FAN_NONBLOCK, O_WRONLY|O_LARGEFILE) = 4",
        ),
        (
            make_record("fanotify_init", result=4),
            "fanotify_init(FAN_CLASS_NOTIF, O_RDONLY) = 4",
        ),
        (
            make_record("fanotify_init", flags=0x5, result=-errno.EMFILE),
            (
                "fanotify_init(FAN_CLOEXEC|FAN_CLASS_CONTENT, O_RDONLY) "
                "= -1 EMFILE (Too many open files)"
            ),
        ),
        (make_record("inotify_init", result=3), "inotify_init() = 3"),
        (
            make_record("inotify_init1", flags=0x80000, result=3),
            "inotify_init1(IN_CLOEXEC) = 3",
        ),
        (
            make_record("inotify_add_watch", mask=0x102, pathname=b"/etc", result=1),
            'inotify_add_watch(3, "/etc", IN_MODIFY|IN_CREATE) = 1',
        ),
    ],
)
def test_calls(record: memoryview, text: str) -> None:
    """Each call has its arguments in the order of its manual page."""
    assert text == call_of(record)


def test_paths() -> None:
    """A path is escaped, so that it stays in its quotes; a cut one ends with dots."""
    hostile = b'/\x1b[31m"\\\n\xff\xe2\x80\xae\xc3\xa9'
    shown = call_of(make_record(flags=1, pathname=hostile))
    assert r'"/\x1b[31m\"\\\x0a\xff\xe2\x80\xaeé")' in shown
    assert f'"{"y" * 256}"...)' in call_of(make_record(pathname=b"y" * 300))


def test_hostile_comm() -> None:
    """No byte of a thread name reaches a terminal as a control character."""
    text = show(make_record(comm=b"\x1b]0;x\x07\n\xff"))
    assert text.isprintable()
    assert r"\x1b]0;x\x07\x0a\xff[1234/1240]" in text


def test_container_and_descriptors() -> None:
    """The container, or else the cgroup, and the files of descriptors are shown."""
    record = make_record(flags=1, dirfd=5)
    identifier = "0123456789abcdef" * 4
    within = call_of(record, cgroup=("/kubepods/x", identifier))
    assert within.startswith("container=0123456789ab fanotify_mark(3, ")
    outside = call_of(record, cgroup=("/system.slice/ssh.service", ""))
    assert outside.startswith("cgroup=/system.slice/ssh.service fanotify_mark(3, ")
    resolved = call_of(record, fd_path="anon_inode:[fanotify]", dirfd_path="/home")
    assert resolved.startswith("fanotify_mark(3<anon_inode:[fanotify]>, ")
    assert "5</home>, NULL)" in resolved


def test_group_that_is_minus_100() -> None:
    """Only dirfd has a number that stands for the working directory."""
    assert "(-100, 0, 0, AT_FDCWD, " in call_of(make_record(fd=-100))


def test_colours() -> None:
    """With colours only the name of the call and an error are coloured."""
    shown = ShownCall(parse(make_record(result=-errno.EINVAL)), UNIX_NS)
    text = line(shown, colours=True)
    assert "\x1b[1mfanotify_mark\x1b[0m(3" in text
    assert text.endswith("\x1b[31m-1 EINVAL (Invalid argument)\x1b[0m")
    assert 4 == text.count("\x1b")
