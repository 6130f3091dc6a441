"""Whether /proc shows which tasks wait for a permission listener."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Final

from fanotify_exporter.fsnotify.descriptors import GONE
from fanotify_exporter.procfs import PROC
from fanotify_exporter.procfs.capabilities import read_capabilities
from fanotify_exporter.procfs.task import NO_FUNCTION


# A thread that was started needs microseconds until it sleeps.
SLEEP_SECONDS: Final = 0.2


@contextmanager
def sleeping_thread() -> Iterator[None]:
    """Keep a thread of this process asleep within the block."""
    woken = Event()
    thread = Thread(target=woken.wait, name="asleep", daemon=True)
    thread.start()
    try:
        yield
    finally:
        woken.set()
        thread.join()


def unseen_reason(
    proc: Path = PROC,
    sleeping: Callable[[], AbstractContextManager[None]] = sleeping_thread,
) -> str | None:
    """
    Return why a WaitScanner cannot see tasks that wait, None if it can.

    The function reads what a sleeping thread of this process waits for. The kernel
    tells that on x86 since Linux 5.16 only: commit bc9bbb81730e ("x86: Fix get_wchan()
    to support the ORC unwinder").

    Args:
        proc: a procfs. If it does not show this process, it is another pid
            namespace's.
        sleeping: keeps a thread of this process asleep within its block.
    """
    try:
        return _unseen_reason(proc, sleeping)
    except OSError as error:
        return f"cannot read this process in {proc}: {error.strerror}"


def _unseen_reason(
    proc: Path, sleeping: Callable[[], AbstractContextManager[None]]
) -> str | None:
    """
    Return why a WaitScanner cannot see tasks that wait, None if it can.

    Raises:
        OSError: *proc* does not show this process.
    """
    if "CAP_SYS_PTRACE" not in read_capabilities(proc):
        return "without CAP_SYS_PTRACE /proc does not tell what a task waits for"
    release = os.uname().release
    if not (proc / "self/wchan").exists():
        return f"Linux {release} has no /proc/PID/wchan (CONFIG_KALLSYMS)"
    with sleeping():
        deadline = time.monotonic() + SLEEP_SECONDS
        while not _tells_a_function(proc / "self/task"):
            if time.monotonic() > deadline:
                return (
                    f"Linux {release} does not tell what a task waits for "
                    "(/proc/PID/wchan is 0, as on x86 before Linux 5.16)"
                )
            time.sleep(SLEEP_SECONDS / 100)
    return None


def _tells_a_function(tasks: Path) -> bool:
    for task in tasks.iterdir():
        try:
            if (task / "wchan").read_text() != NO_FUNCTION:
                return True
        except GONE:
            continue
    return False
