"""Files of threads: of this process, and texts as the kernel writes them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fanotify_exporter.procfs.process import opened_process, parse_start_time
from fanotify_exporter.procfs.task import (
    is_in_syscall,
    parse_task_comm,
    parse_task_state,
    parse_thread_count,
    parse_voluntary_switches,
    read_io_counts,
    read_other_tids,
    read_syscall,
    read_task_stat,
    read_voluntary_switches,
    read_wchan,
)
from tools.harness.proc_folder import ProcFolder
from tools.harness.processes import poll


STAT = (
    b"813 (a) D 1 ) (b) S 1 813 812 0 -1 4194304 99 0 0 0 0 0 0 0 20 0 7 0 2346 "
    b"5382144 199 18446744073709551615 1 1 0 0 0 0 0 0 0\n"
)


@pytest.fixture
def process() -> Iterator[int]:
    """Give this process, opened."""
    with opened_process(os.getpid()) as process:
        yield process


def test_stat() -> None:
    """A name with parentheses and spaces does not move the other fields."""
    assert b"a) D 1 ) (b" == parse_task_comm(STAT)
    assert "S" == parse_task_state(STAT)
    assert 7 == parse_thread_count(STAT)
    assert 2346 == parse_start_time(STAT)


@pytest.mark.parametrize(
    ("syscall", "expected"),
    [
        (b"301 0x4 0x1 0x0 0x0 0x0 0x0 0x7ffc15a3ef58 0x7f1e0a1b2c3d\n", True),
        (b"301 0x4 0x1 0x0 0x0 0x0 0x0 0x7ffc15a3ef58 0x401000\n", True),
        (b"339 0x4 0x1 0x0 0x0 0x0 0x0 0xffd51fa0 0xf7f2b579\n", True),
        (b"301 0x4 0x1 0x0 0x0 0x0 0x0 0xffd51fa0 0xf7f2b579\n", False),
        (b"339 0x4 0x1 0x0 0x0 0x0 0x0 0x7ffc15a3ef58 0x401000\n", False),
        (b"-1 0x7ffc15a3ef58 0x401000\n", False),
        (b"running\n", False),
        (b"", False),
    ],
)
def test_system_calls(syscall: bytes, *, expected: bool) -> None:
    """The numbers of 32-bit programs are others."""
    assert expected == is_in_syscall(syscall, 301, 339)


def test_own_system_call(process: int) -> None:
    """The thread that reads the file is inside read(2)."""
    numbers = {"x86_64": (0, 3), "aarch64": (63, 3)}[os.uname().machine]
    syscall = read_syscall(process, threading.get_native_id())
    assert is_in_syscall(syscall, *numbers)
    assert not is_in_syscall(syscall, 301, 339)


def test_sleeping_thread(process: int) -> None:
    """A sleeping thread of this process has the state S and does not switch."""
    woken = threading.Event()
    thread = threading.Thread(target=woken.wait)
    thread.start()
    tid = thread.native_id
    assert tid

    def state() -> str:
        return parse_task_state(read_task_stat(os.getpid(), tid))

    assert "S" == poll(state, lambda found: found == "S")
    switches = read_voluntary_switches(process, tid)
    assert switches == read_voluntary_switches(process, tid) > 0
    assert read_wchan(process, tid)
    assert tid in set(read_other_tids(os.getpid()))
    assert os.getpid() not in set(read_other_tids(os.getpid()))
    assert parse_thread_count(read_task_stat(os.getpid(), os.getpid())) > 1
    woken.set()
    thread.join()
    assert b"" == poll(lambda: read_task_stat(os.getpid(), tid), lambda stat: not stat)


def test_reading_changes_the_io_counts(process: int) -> None:
    """The counts change when the thread reads, and not when it opens and closes."""
    tid = threading.get_native_id()
    if not read_io_counts(process, tid):
        pytest.skip("this kernel has no CONFIG_TASK_IO_ACCOUNTING")
    with Path("/proc/self/stat").open("rb", buffering=0) as file:
        before = read_io_counts(process, tid)
        file.read(1)
        assert before != read_io_counts(process, tid)


def test_no_io_counts(tmp_path: Path) -> None:
    """A kernel without CONFIG_TASK_IO_ACCOUNTING has no file io."""
    proc = ProcFolder(tmp_path / "proc")
    proc.start_task(23, 23, io=None)
    with opened_process(23, proc.path) as process:
        assert b"" == read_io_counts(process, 23)


def test_voluntary_switches() -> None:
    """The line of the nonvoluntary switches is another one."""
    status = b"Name:\tx\nvoluntary_ctxt_switches:\t23\nnonvoluntary_ctxt_switches:\t7\n"
    assert 23 == parse_voluntary_switches(status)
