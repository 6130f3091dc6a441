"""Processes that a test starts, waits for and ends; their logs go to its report."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar


DEADLINE_SECONDS = 30.0
"""Long enough for a busy machine; nothing waits that long when all is well."""
POLL_SECONDS = 0.02

T = TypeVar("T")


def poll(
    read: Callable[[], T],
    until: Callable[[T], object] = bool,
    seconds: float = DEADLINE_SECONDS,
) -> T:
    """
    Read until *until* is true of what was read, and return that.

    When *seconds* are over it returns what it read last: the test's assertion
    then shows how that differs from what it should be.
    """
    end = time.monotonic() + seconds
    while not until(latest := read()) and time.monotonic() < end:
        time.sleep(POLL_SECONDS)
    return latest


@dataclass(frozen=True, slots=True)
class Running:
    """A process that a test started, and the file that its output goes to."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def lines(self) -> list[str]:
        """Return the whole lines written so far."""
        text = self.log.read_text(errors="replace")
        return [line for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def line(self, text: str) -> str:
        """Wait for a line that has *text* in it and return it."""

        def found() -> str:
            return next((line for line in self.lines() if text in line), "")

        poll(found, lambda line: line or self.process.poll() is not None)
        line = found()
        assert line, f"no line with {text!r} in {self.log.name}"
        return line


@contextmanager
def running(
    command: Sequence[str | Path],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    pass_fds: Sequence[int] = (),
) -> Iterator[Running]:
    """Start *command*; at the end kill it, if it still runs, and print its log."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment(env),
            cwd=cwd,
            pass_fds=pass_fds,
        )
    try:
        yield Running(process, log)
    finally:
        process.kill()
        process.wait()
        print(f"--- {log.name}, exit status {process.returncode}")
        print(log.read_text(errors="replace"))


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return our environment without settings of the exporter, plus *more*."""
    ours = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("FANOTIFY_EXPORTER_")
    }
    return ours | dict(more or {})


def resident_kb(pid: int) -> int:
    """Return the resident memory of process *pid* in kB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)[0])
