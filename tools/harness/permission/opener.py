"""Tasks that access a file: opener.c, and what each access gave."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tools.harness.permission.programs import OPENER, WATCHDOG_SECONDS, watched
from tools.harness.processes import poll


Kind = Literal["threads", "processes"]
Action = Literal["open", "read"]


@dataclass(frozen=True, slots=True)
class Access:
    """
    An access that ended.

    Attributes:
        tid: the task.
        errno: 0 if the access succeeded.
        start: CLOCK_BOOTTIME before the system call, seconds.
        end: CLOCK_BOOTTIME after the system call, seconds.
    """

    tid: int
    errno: int
    start: float
    end: float


class Opener:
    """A running opener.c."""

    def __init__(self, process: subprocess.Popen[str], comm: str) -> None:
        self.process = process
        self.comm = comm
        self.pid = process.pid
        # Tasks that began.
        self.tids: list[int] = []
        # Accesses in the order of their ends; none if the tasks go on without end.
        self.accesses: list[Access] = []
        # Accesses by errno, of tasks that went on without end.
        self.sums = Counter[int]()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def await_waiting(self, number: int, *, ended: int = 0) -> None:
        """Wait until *number* tasks sleep uninterruptibly, after *ended* accesses."""
        poll(lambda: self._waiting() == number and len(self.accesses) >= ended)
        assert number == self._waiting()

    def await_begun(self, number: int) -> None:
        """Wait until *number* tasks have begun."""
        assert number == len(poll(lambda: self.tids, lambda got: len(got) == number))

    def await_accesses(self, number: int) -> None:
        """Wait until *number* accesses have ended."""
        poll(lambda: len(self.accesses) >= number)
        assert len(self.accesses) >= number

    def finish(self) -> list[Access]:
        """Let the tasks end; return all accesses."""
        assert self.process.stdin
        self.process.stdin.close()
        self._reader.join(WATCHDOG_SECONDS)
        assert self.process.wait() == 0
        return self.accesses

    def kill(self) -> None:
        """Send SIGKILL to the process, and wait for the end of all tasks."""
        self.process.kill()
        self.process.wait()
        self._reader.join(WATCHDOG_SECONDS)

    def kill_task(self, tid: int) -> None:
        """Send SIGKILL to the process *tid*, one of the processes of this program."""
        assert tid in self.tids
        os.kill(tid, signal.SIGKILL)

    def _waiting(self) -> int:
        return sum(_state(tid) == "D" for tid in self.tids)

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            kind, *numbers = line.split()
            tid, *rest = map(int, numbers)
            if kind == "begin":
                self.tids.append(tid)
            elif kind == "sum":
                self.sums[rest[0]] += rest[1]
            else:
                error, start, end = rest
                self.accesses.append(Access(tid, error, start / 1e9, end / 1e9))


def _state(tid: int) -> str:
    """Return the state of a task, "" if the task has ended."""
    try:
        stat = Path(f"/proc/{tid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return stat.rpartition(")")[2].split()[0]


@contextmanager
def opening(
    path: Path,
    tasks: int = 1,
    times: int = 1,
    *,
    kind: Kind = "threads",
    action: Action = "open",
    comm: str = "",
    seconds: int = WATCHDOG_SECONDS,
) -> Iterator[Opener]:
    """
    Access *path* in *tasks*, each *times* times, or until finish() if *times* is 0.

    The program is killed at the end of the block. The default *comm* is one that no
    other process has.
    """
    comm = comm or f"o-{secrets.token_hex(6)}"
    arguments = (comm, str(path), kind, str(tasks), str(times), action)
    with watched(OPENER, *arguments, seconds=seconds) as process:
        opener = Opener(process, comm)
        try:
            yield opener
        finally:
            opener.kill()
