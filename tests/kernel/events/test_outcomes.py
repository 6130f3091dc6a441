"""Events that a test makes, compared with what the programs counted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tools.harness.counted_events import CountedEvents
from tools.harness.listeners import listening
from tools.harness.permission import listener as permission
from tools.harness.permission.opener import opening
from tools.harness.sysctl import limited


# The queue of a group with a small limit.
LIMIT = 10

# Reads until no event is left; returns their masks.
READING = """
import signal, struct
NONBLOCK = 0x2

def touch(folder, numbers):
    for number in numbers:
        os.close(os.open(f"{folder}/{number}", os.O_RDONLY | os.O_CREAT))

def read_all(group):
    masks = []
    while True:
        try:
            data = os.read(group, 4096)
        except BlockingIOError:
            return masks
        while data:
            length, _, _, _, mask, fd, _ = struct.unpack_from("=IBBHQii", data)
            masks.append(mask)
            data = data[length:]
            if fd >= 0:
                os.close(fd)
"""


def test_queued_and_merged(counted: CountedEvents, tmp_path: Path) -> None:
    """Of 1,600 events, those of the same file that nobody read are one event."""
    code = f"""
        folder = {str(tmp_path)!r}
        touch(folder, range(1000))
        group = init(NONBLOCK)
        for number in range(1000):
            mark(group, ADD, OPEN, f"{{folder}}/{{number}}")
        touch(folder, range(1000))
        touch(folder, [999] * 600)
        say(len(read_all(group)))
    """
    with listening(READING, code) as program:
        assert (1000,) == program.said
        counted.agree(program.comm, queued=1000, merged=600)


def test_overflow(counted: CountedEvents, tmp_path: Path) -> None:
    """Events beyond the limit are dropped; the event of the overflow is none."""
    code = f"""
        folder = {str(tmp_path)!r}
        group = init(NONBLOCK)
        mark(group, ADD, 0x8000020, folder)  # FAN_EVENT_ON_CHILD
        touch(folder, range(23))
        say(read_all(group))
        touch(folder, range(3))
    """
    with (
        limited("fanotify/max_queued_events", LIMIT),
        listening(READING, code) as program,
    ):
        (masks,) = program.said
        counted.agree(program.comm, queued=LIMIT, dropped=23 - LIMIT)
        program.go_on()
        counted.agree(program.comm, queued=LIMIT + 3, dropped=23 - LIMIT)
    assert [*[0x20] * LIMIT, 0x4000] == masks


def test_permission_events_that_are_dropped(
    counted: CountedEvents, tmp_path: Path
) -> None:
    """Accesses that a full queue lets through are unchecked."""
    scratch = tmp_path / "scratch"
    scratch.touch()
    code = f"""
        signal.alarm(120)  # the watchdog
        group = init(CONTENT)
        mark(group, ADD, OPEN_PERM, {str(scratch)!r})
        say()
        for _ in range(4):
            event = os.read(group, 24)
            fd = struct.unpack_from("=IBBHQii", event)[5]
            os.write(group, struct.pack("=iI", fd, 1))  # FAN_ALLOW
            os.close(fd)
    """
    with (
        limited("fanotify/max_queued_events", 4),
        listening(READING, code) as program,
        opening(scratch, tasks=4) as waiting,
    ):
        waiting.await_waiting(4)
        with opening(scratch, tasks=3) as opener:
            assert [0] * 3 == [access.errno for access in opener.finish()]
        counted.agree(program.comm, queued=4, dropped=3, unchecked=3)
        program.go_on()
        waiting.finish()
        counted.agree(program.comm, queued=4, dropped=3, unchecked=3)


def test_listener_that_ends(counted: CountedEvents, tmp_path: Path) -> None:
    """The events of a listener that ends were queued, and none is dropped."""
    scratch = tmp_path / "scratch"
    scratch.touch()
    with permission.listening() as listener:
        listener.mark(scratch)
        with opening(scratch, tasks=7) as opener:
            opener.await_waiting(7)
            listener.kill()
            opener.finish()
        counted.agree(listener.comm, queued=7)


def test_inotify(counted: CountedEvents, tmp_path: Path) -> None:
    """Events of inotify, whose queues are the same kind, are not counted."""
    code = f"""
        folder = {str(tmp_path)!r}
        instance = checked(libc.inotify_init1(0o4000))
        checked(libc.inotify_add_watch(instance, os.fsencode(folder), 0x100))
        touch(folder, range(23))
        say(len(os.read(instance, 65536)))
    """
    with (
        limited("inotify/max_queued_events", LIMIT),
        listening(READING, code) as program,
    ):
        # Events with names of 16 bytes, and that of the overflow, without a name.
        assert (LIMIT * 32 + 16,) == program.said
    assert not counted.total()


def test_processes_at_once(counted: CountedEvents, tmp_path: Path) -> None:
    """Events of processes that compete, for two groups, are counted once for each."""
    code = f"""
        folder = {str(tmp_path)!r}
        groups = [init(NONBLOCK | 0x10) for _ in range(2)]
        for group in groups:
            mark(group, ADD, 0x8000020, folder)
        say()
        say(*[len(read_all(group)) for group in groups])
    """
    opener = f"""
import os, sys
for number in range(500):
    name = f"{tmp_path}/{{sys.argv[1]}}-{{number}}"
    os.close(os.open(name, os.O_RDONLY | os.O_CREAT))
"""
    with listening(READING, code) as program:
        processes = [
            subprocess.Popen([sys.executable, "-I", "-c", opener, str(number)])
            for number in range(4)
        ]
        assert [0] * 4 == [process.wait() for process in processes]
        assert (2000, 2000) == program.go_on()
        counted.agree(program.comm, queued=4000)
